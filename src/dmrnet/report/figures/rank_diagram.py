"""Diagram of average ranks over data sets, with bars over groups that do not differ."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import axes_at
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.figures.drawing.systems import COLOURS
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.statistics.over_data import groups_within
from dmrnet.report.summary.over_data.ranks import Ranking

WIDTH = 4.4
"""Width in inches: as wide as a narrow page."""

_ROW = 0.15
_LONGEST = 22


def rank_diagram(ranking: Ranking, name: str) -> Figure:
    """Draw the average ranks on an axis, and bars over the largest groups that do not differ.

    The form of Demsar (2006): the bar at the top is the critical difference of Nemenyi's test.
    """
    averages, difference = ranking.averages, ranking.critical_difference
    count = len(averages)
    groups = groups_within(averages, difference)
    left_rows = math.ceil(count / 2)
    margin = 0.12 + 0.062 * min(_LONGEST, max(map(len, ranking.labels)))
    top = 0.55
    bars = 0.12 + 0.07 * len(groups)
    height = top + bars + _ROW * left_rows + 0.1

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(WIDTH, height))
        axes = axes_at(figure, margin, 0.0, WIDTH - 2 * margin, height)
        axes.set_facecolor("none")
        axes.set_axis_off()
        axes.set_xlim(1, count)
        axes.set_ylim(-(height - top), top)
        _scale(axes, count, ink)
        _span(axes, min(difference, count - 1), ink, f"critical difference {difference:.1f}")
        for row, (first, last) in enumerate(groups):
            y = -0.1 - 0.07 * row
            ends = [averages[first] - 0.05, averages[last] + 0.05]
            axes.plot(ends, [y, y], color=COLOURS[1], linewidth=2.2, solid_capstyle="butt")
        _labels(axes, ranking, left_rows, bars, ink)
        return figure

    title = "Average rank over data sets"
    caption = (
        f"Rank by the average over combinations, 1 is best, on {len(ranking.datasets)} data sets. "
        "Systems under one bar do not differ beyond chance at the level .05 (Nemenyi's test)."
    )
    return make_figure(name, title, caption, draw)


def _scale(axes: Axes, count: int, ink: str) -> None:
    """Draw the axis of ranks, the best on the left."""
    axes.plot([1, count], [0, 0], color=ink, linewidth=0.8)
    step = next(step for step in (1, 2, 5, 10, 20) if count / step <= 10)
    for rank in sorted({1, *range(step, count + 1, step), count}):
        axes.plot([rank, rank], [0, 0.05], color=ink, linewidth=0.8)
        if rank in (1, count) or min(rank - 1, count - rank) >= 0.75 * step:
            axes.text(rank, 0.07, str(rank), color=ink, ha="center", va="bottom")


def _span(axes: Axes, length: float, ink: str, text: str) -> None:
    """Draw a length above the axis."""
    low, high, y = 1.0, 1.0 + length, 0.36
    axes.plot([low, high], [y, y], color=ink, linewidth=0.8)
    for end in (low, high):
        axes.plot([end, end], [y - 0.03, y + 0.03], color=ink, linewidth=0.8)
    axes.text(low, y + 0.05, text, color=ink, ha="left", va="bottom")


def _labels(axes: Axes, ranking: Ranking, left_rows: int, top: float, ink: str) -> None:
    """Write the better half on the left, the others on the right, with lines to their ranks."""
    averages = ranking.averages
    count = len(averages)
    for index, (label, rank) in enumerate(zip(ranking.labels, averages, strict=True)):
        left = index < left_rows
        row = index if left else count - 1 - index
        y, end = -top - _ROW * (row + 0.5), 1 if left else count
        gid = data_id(label)
        axes.plot([rank, rank, end], [0, y, y], color=ink, linewidth=0.6, alpha=0.7, gid=gid)
        axes.annotate(
            shortened(label, _LONGEST),
            (end, y),
            (-3 if left else 3, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center_baseline",
            color=ink,
            gid=gid,
        )
