"""Analyses by name: what is asked for, and at which combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from dmrnet.hints import nearest
from dmrnet.modalities import parse

AnalysisName = Literal["channel-distance", "angles", "variance", "hard-set"]

ANALYSES: tuple[AnalysisName, ...] = ("channel-distance", "angles", "variance", "hard-set")

FROM_DATA = ("channel-distance", "angles")
"""These put samples through the method; the others read what the run recorded."""


@dataclass(frozen=True)
class Analysis:
    """What is asked for.

    Attributes:
        text: As it was written; stands in the rows.
        name: Which analysis.
        at: bool ``(V,)``: the combination that it is taken at.
    """

    text: str
    name: AnalysisName
    at: Tensor


def read_analysis(text: str, modalities: Sequence[str]) -> Analysis:
    """Read ``NAME`` or ``NAME@COMBINATION``.

    Raises:
        ValueError: If the analysis or a modality is unknown, or it takes no combination.
    """
    name, mark, at = text.partition("@")
    for known in ANALYSES:
        if name == known:
            if mark and known not in FROM_DATA:
                raise ValueError(
                    f"{name} reads what training recorded of every combination; leave out "
                    f"{mark}{at}"
                )
            return Analysis(text, known, parse(at if mark else "all", modalities))
    raise ValueError(f"unknown analysis {name!r}; {nearest(name, ANALYSES)}")
