"""The legend over a figure: one entry a system, in as many lines as it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dmrnet.report.figures.svg import data_id
from dmrnet.report.figures.systems import Mark
from dmrnet.report.statistics.formatting import shortened

_POINTS = 72


def legend(axes: Axes, shown: Sequence[Mark], ink: str) -> None:
    """Write the legend over the axes."""
    box = axes.get_window_extent()
    width, height = box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi
    for mark, x, line in legend_entries(shown, width):
        y = 1 + (6 + 12 * line) / height
        axes.add_artist(
            Line2D(
                [(x + 4) / width],
                [y],
                markersize=5,
                linestyle="none",
                transform=axes.transAxes,
                clip_on=False,
                **mark.style,
            )
        )
        axes.text(
            (x + 11) / width,
            y,
            shortened(mark.label),
            color=ink,
            va="center_baseline",
            transform=axes.transAxes,
            gid=data_id(mark.label),
        )


def legend_height(shown: Sequence[Mark], width: float) -> float:
    """Return the height in inches of a legend that is this many inches wide."""
    return 0.17 * (1 + max(line for _, _, line in legend_entries(shown, width * _POINTS)))


def legend_entries(shown: Sequence[Mark], width: float) -> Iterator[tuple[Mark, float, int]]:
    """Yield each mark with its offset from the left, in points, and its line; 0 is the lowest."""
    lines: list[list[tuple[Mark, float]]] = [[]]
    x = 0.0
    for mark in shown:
        needed = 24 + 5.0 * len(shortened(mark.label))
        if lines[-1] and x + needed > width:
            lines.append([])
            x = 0.0
        lines[-1].append((mark, x))
        x += needed
    for index, line in enumerate(lines):
        for mark, offset in line:
            yield mark, offset, len(lines) - 1 - index
