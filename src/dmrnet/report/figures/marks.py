"""Colour, marker and shift that tell systems apart in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# After Okabe and Ito, the light ones darkened: each has a contrast of 3 or more against white and
# against a dark page. The first, grey, is the baseline's.
COLOURS = (
    "#7f7f7f",
    "#0078b8",
    "#d55e00",
    "#009c72",
    "#c4659a",
    "#9a7400",
    "#7d6bc9",
    "#3b8fa3",
)
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")

MOST_SYSTEMS = len(COLOURS)
"""Number of systems that the eye can tell apart; a figure of more shows only some of them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a system is drawn.

    Attributes:
        label: Label of the system.
        colour: Its colour.
        shape: Its marker, so that colour is not needed to tell systems apart.
        shift: Its position within a column, from -0.5 to 0.5.
    """

    label: str
    colour: str
    shape: str
    shift: float


def marks(labels: Sequence[str], *, with_baseline: bool) -> list[Mark]:
    """Return the mark of each system; grey is kept for a baseline, which comes first."""
    first = 0 if with_baseline else 1
    return [
        Mark(
            label,
            COLOURS[(index + first) % len(COLOURS)],
            _SHAPES[(index + first) % len(_SHAPES)],
            0.0 if len(labels) == 1 else 0.62 * (index / (len(labels) - 1) - 0.5),
        )
        for index, label in enumerate(labels)
    ]
