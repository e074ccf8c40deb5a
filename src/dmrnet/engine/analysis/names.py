"""Names of analyses, with the combination that they are made at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from dmrnet.hints import nearest
from dmrnet.modalities import parse

AnalysisName = Literal["channel-distance", "angles", "variance", "hard-set"]

ANALYSES: tuple[AnalysisName, ...] = get_args(AnalysisName)

FROM_DATA = ("channel-distance", "angles")
"""Analyses that put samples through the method; the others read what the run recorded."""


@dataclass(frozen=True)
class Analysis:
    """A requested analysis.

    Attributes:
        text: Name as it was written, which the rows hold.
        name: Name of the analysis without its combination.
        at: bool ``(V,)``, the combination that is analysed.
    """

    text: str
    name: AnalysisName
    at: Tensor


def read_analysis(text: str, modalities: Sequence[str]) -> Analysis:
    """Read ``NAME`` or ``NAME@COMBINATION``.

    Raises:
        ValueError: If the analysis or a modality is unknown, or it takes no combination.
    """
    name = check_analysis(text)
    at = text.partition("@")[2]
    return Analysis(text, name, parse(at or "all", modalities))


def check_analysis(text: str) -> AnalysisName:
    """Return the name in ``NAME`` or ``NAME@COMBINATION``; the combination is not checked.

    Raises:
        ValueError: If it is unknown, or takes no combination.
    """
    name, mark, at = text.partition("@")
    for known in ANALYSES:
        if name == known:
            if mark and known not in FROM_DATA:
                raise ValueError(
                    f"{name} reads what training recorded of every combination; leave out "
                    f"{mark}{at}"
                )
            if mark and not at:
                raise ValueError(f"expected a combination after {text}, got none")
            return known
    raise ValueError(f"unknown analysis {name!r}; {nearest(name, ANALYSES)}")
