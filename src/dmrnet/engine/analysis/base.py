"""Base class of analyses, with their input and result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from dmrnet.engine.analysis.names import Analysis
from dmrnet.engine.rows import Line
from dmrnet.modalities import CachedFeatures

Refuse = Callable[[str, ValueError], None]
"""Called with the name of an analysis that cannot be made, and why."""


@dataclass
class AnalysisResult:
    """The result of one analysis.

    Attributes:
        lines: Lines for rows.
        arrays: Arrays for ``analyses.npz``.
    """

    lines: list[Line] = field(default_factory=list)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoded:
    """A batch of samples that went through the encoders.

    Attributes:
        maps: Map of each modality, ``(B, C, H, W)``.
        cached: Features to fuse.
        present: bool ``(B, V)``.
        target: Classes ``(B,)``.
    """

    maps: Mapping[str, Tensor]
    cached: CachedFeatures
    present: Tensor
    target: Tensor


class SampleAnalysis(ABC):
    """An analysis of encoded samples, which it sees batch by batch.

    Args:
        analysis: Analysis that was asked for.

    Raises:
        ValueError: If the analysis cannot be made of the run.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    @abstractmethod
    def add(self, batch: Encoded) -> None:
        """Add a batch.

        Raises:
            ValueError: If the analysis cannot be made of the samples.
        """

    @abstractmethod
    def result(self) -> AnalysisResult:
        """Return the result over all batches."""
