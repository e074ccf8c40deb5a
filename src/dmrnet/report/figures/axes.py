"""Axes placed in inches, and the few things that are drawn on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.statistics.estimates import Estimate

HIGHLIGHT = "#d55e00"
"""Colour of hard combinations."""


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
    known = [(x, v.mean, v.se) for x, v in zip(xs, values, strict=True) if v.se is not None]
    axes.vlines(
        [x for x, _, _ in known],
        [scale * (mean - se) for _, mean, se in known],
        [scale * (mean + se) for _, mean, se in known],
        color=colour,
        linewidth=0.9,
        gid=gid,
    )
