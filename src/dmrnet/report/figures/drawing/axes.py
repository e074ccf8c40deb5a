"""Axes placed in inches, what is drawn on all of them, and the dots that name combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.formatting import shortened

HIGHLIGHT = "#d55e00"
"""Colour of hard combinations."""

MOST_COLUMNS = 64
"""Above this number of combinations (six modalities have 63), only some are drawn."""

HARDEST = 40
"""Number of combinations drawn for their bad score if not all are."""


def axes_at(figure: Canvas, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes to a figure at a position and size in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def bare(axes: Axes, ink: str) -> None:
    """Keep only the left and lower edge of the axes, in the colour of the page's text."""
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(ink)
        axes.spines[side].set_alpha(0.5)
    axes.tick_params(colors=ink, length=2.5, width=0.6)
    axes.yaxis.label.set_color(ink)
    axes.xaxis.label.set_color(ink)


def bare_grid(axes: Axes, ink: str, axis: Literal["x", "y"] = "y") -> None:
    """Make the axes bare, with a faint grid."""
    bare(axes, ink)
    axes.grid(axis=axis, color=ink, alpha=0.12, linewidth=0.6)


def panel(axes: Axes, label: str, ink: str) -> None:
    """Make the axes a panel above a matrix of dots: a label and a grid, no ticks below."""
    axes.set_ylabel(label)
    axes.set_xticks([])
    bare_grid(axes, ink)
    axes.set_axisbelow(True)


def circles(axes: Axes, xs: Sequence[float], ys: Sequence[float], size: float) -> None:
    """Circle points in the colour of hard combinations."""
    axes.plot(
        xs,
        ys,
        linestyle="none",
        marker="o",
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=HIGHLIGHT,
        markeredgewidth=1.3,
        clip_on=False,
        zorder=4,
    )


def error_bars(
    axes: Axes,
    xs: Sequence[float],
    values: Sequence[Estimate],
    colour: str,
    scale: float,
    gid: str | None = None,
) -> None:
    """Draw ± one standard error around each value that has one."""
    bars = [
        (x, scale * (value.mean - value.se), scale * (value.mean + value.se))
        for x, value in zip(xs, values, strict=True)
        if value.se is not None
    ]
    at, lows, highs = zip(*bars, strict=True) if bars else ((), (), ())
    axes.vlines(at, lows, highs, color=colour, linewidth=0.9, gid=gid)


def constant_line(ink: str) -> dict[str, Any]:
    """Return the style of the line of the most frequent class alone."""
    return {"color": ink, "linestyle": (0, (4, 2)), "linewidth": 0.9, "alpha": 0.7, "zorder": 1}


def is_wide(columns: Sequence[str]) -> bool:
    """Whether a matrix has too many columns to shrink to a narrow page."""
    return len(columns) > 15


def matrix_size(columns: Sequence[str], modalities: Sequence[str]) -> tuple[float, float, float]:
    """Return margin on the left, for labels, and width and height of the matrix, in inches."""
    longest = max(len(shortened(name, 16)) for name in modalities)
    width = max(3.0, len(columns) * column_width(columns))
    return max(0.82, 0.18 + 0.075 * longest), width, 0.165 * len(modalities) + 0.1


def column_width(columns: Sequence[str]) -> float:
    """Return the width of a column in inches: wide columns for few combinations."""
    count = len(columns)
    return 0.6 if count <= 7 else 0.36 if count <= 15 else 0.26 if count <= 31 else 0.168


def dot_matrix(
    axes: Axes, combinations: Sequence[str], modalities: Sequence[str], ink: str
) -> None:
    """Draw a column of dots for each combination: filled where a modality is seen."""
    seen = [
        (x, y)
        for x, name in enumerate(combinations)
        for y, part in enumerate(modalities)
        if part in members(name)
    ]
    every = [(x, y) for x in range(len(combinations)) for y in range(len(modalities))]
    size = 16 if len(combinations) > 20 else 26
    for dots, alpha in ((every, 0.15), (seen, 1.0)):
        xs, ys = zip(*dots, strict=True)
        axes.scatter(xs, ys, s=size, color=ink, alpha=alpha, linewidths=0)
    rows = [[modalities.index(part) for part in members(name)] for name in combinations]
    axes.vlines(range(len(rows)), [*map(min, rows)], [*map(max, rows)], color=ink, linewidth=0.8)
    axes.set_yticks(range(len(modalities)), [shortened(name, 16) for name in modalities])
    axes.set_ylim(len(modalities) - 0.4, -0.6)
    axes.set_xticks([])
    bare(axes, ink)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


def shade_sizes(panels: Sequence[Axes], columns: Sequence[str], ink: str) -> None:
    """Shade the combinations of every second size, and write each size below the first panel."""
    sizes = [len(members(name)) for name in columns]
    for index, size in enumerate(dict.fromkeys(sizes)):
        first, count = sizes.index(size), sizes.count(size)
        if index % 2:
            for axes in panels:
                axes.axvspan(first - 0.5, first + count - 0.5, color=ink, alpha=0.05, linewidth=0)
        panels[0].text(
            first + count / 2 - 0.5,
            -0.02,
            f"{size} seen" if count * column_width(columns) > 0.5 else str(size),
            color=ink,
            ha="center",
            va="top",
            transform=panels[0].get_xaxis_transform(),
        )
