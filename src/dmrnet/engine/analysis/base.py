"""Base class of analyses, with their input and result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

from dmrnet.engine.scores.rows import Line
from dmrnet.modalities import CachedFeatures

Refuse = Callable[[str, ValueError], None]
"""Called with the name of an analysis that cannot be made, and why."""


class Encoded(NamedTuple):
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


@dataclass
class AnalysisResult:
    """The result of one analysis: lines for rows, and arrays for ``analyses.npz``."""

    lines: list[Line] = field(default_factory=list)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
