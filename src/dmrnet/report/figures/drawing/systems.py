"""Choice of the systems that a figure shows, their marks, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dmrnet.report.figures.drawing.figure import data_id
from dmrnet.report.records.metrics import CONSTANT_NAMES
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

# After Okabe and Ito, the light ones darkened: each has a contrast of 3 or more against white and
# against a dark page. The first, grey, is the baseline's.
COLOURS = (
    *("#7f7f7f", "#0078b8", "#d55e00", "#009c72"),
    *("#c4659a", "#9a7400", "#7d6bc9", "#3b8fa3"),
)
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")

MOST_SYSTEMS = len(COLOURS)
"""Largest number of systems in one figure, since more colours look alike; others are left out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark of a system; its shape identifies it without colour.

    The shift is its position within a column, from -0.5 to 0.5.
    """

    label: str
    colour: str
    shape: str
    shift: float

    @property
    def style(self) -> dict[str, Any]:
        """Marker, colour and gid of an artist that shows the system."""
        return {"marker": self.shape, "color": self.colour, "gid": data_id(self.label)}


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


def best_systems(summary: DataSummary) -> tuple[list[SystemSummary], list[Mark]]:
    """Return every system with its mark; of too many, the baseline and the best by average."""

    def rank(item: SystemSummary) -> tuple[bool, float]:
        average = item.headlines.get("average") if item.scores else None
        error = summary.score.error(average.mean) if average else 2.0
        return item.label != summary.baseline, error

    labels = [item.label for item in sorted(summary.systems, key=rank)[:MOST_SYSTEMS]]
    systems = [item for item in summary.systems if item.label in labels]
    shown = [item.label for item in systems]
    return systems, marks(shown, with_baseline=summary.baseline is not None)


def worse_left_out(summary: DataSummary) -> str:
    """Return a sentence on the systems that `best_systems` leaves out; empty if there are none."""
    more = len(summary.systems) - MOST_SYSTEMS
    if more <= 0:
        return ""
    which = f"the {MOST_SYSTEMS} systems"
    if summary.baseline is not None:
        which = f"{summary.baseline} and the {MOST_SYSTEMS - 1} systems"
    return f" Shown are {which} with the best average; {more} more are in the tables."


def on_constant(summary: DataSummary) -> str:
    """Return what the dashed line of a figure is; empty where nothing is known to draw."""
    return f" Dashed: {CONSTANT_NAMES[summary.score.name]} alone." if summary.constants else ""


def bars(summary: DataSummary) -> str:
    """Return what the bars of a figure are; empty where one seed gives none."""
    several = any(len(item.seeds) > 1 for item in summary.systems)
    return " Bars are ± one standard error over seeds." if several else ""


def analysed_systems(summary: DataSummary, analysed: AnalysisSummary) -> list[Mark]:
    """Return the marks, the same in every figure, of the systems that have an analysis."""
    labels = [item.label for item in summary.systems[:MOST_SYSTEMS]]
    every = marks(labels, with_baseline=summary.baseline is not None)
    return [mark for mark in every if mark.label in analysed.labels]


def analysed_left_out(summary: DataSummary, analysed: AnalysisSummary) -> str:
    """Return a sentence on the systems that `analysed_systems` leaves out; empty if none are."""
    more = sum(item.label in analysed.labels for item in summary.systems[MOST_SYSTEMS:])
    verb = "is" if more == 1 else "are"
    only = f" {more} more {verb} only in the table: there are {MOST_SYSTEMS} distinct colours."
    return only * bool(more)


def legend(axes: Axes, shown: Sequence[Mark], ink: str) -> None:
    """Write the legend over the axes."""
    box = axes.get_window_extent()
    width, height = box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi
    for mark, x, line in legend_entries(shown, width):
        y = 1 + (6 + 12 * line) / height
        where: dict[str, Any] = {"transform": axes.transAxes, "gid": data_id(mark.label)}
        style = mark.style | where | {"markersize": 5, "linestyle": "none", "clip_on": False}
        axes.add_artist(Line2D([(x + 4) / width], [y], **style))
        text = shortened(mark.label)
        axes.text((x + 11) / width, y, text, color=ink, va="center_baseline", **where)


def legend_height(shown: Sequence[Mark], width: float) -> float:
    """Return the height in inches of a legend that is this many inches wide."""
    return 0.17 * (1 + max(line for _, _, line in legend_entries(shown, width * 72)))


def legend_entries(shown: Sequence[Mark], width: float) -> list[tuple[Mark, float, int]]:
    """Return each mark with its offset from the left, in points, and its line; 0 is the lowest."""
    entries: list[tuple[Mark, float, int]] = []
    x, line = 0.0, 0
    for mark in shown:
        needed = 24 + 5.0 * len(shortened(mark.label))
        if x and x + needed > width:
            x, line = 0.0, line + 1
        entries.append((mark, x, line))
        x += needed
    return [(mark, offset, line - number) for mark, offset, number in entries]
