"""Panels of histograms, one line per system, with each system's mean marked above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.drawing.axes import axes_at, bare
from dmrnet.report.figures.drawing.figure import data_id
from dmrnet.report.figures.drawing.systems import Mark, legend, legend_height

_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_TAIL = 0.002
"""Share of a histogram that may lie outside of its panel, at either end."""

_LEFT, _BETWEEN = 0.12, 0.2


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its title, and share by bin and mean of each system that has them, by label."""

    title: str
    densities: Mapping[str, NDArray[np.float64]]
    means: Mapping[str, float]

    @property
    def top(self) -> tuple[float, bool]:
        """Height of the panel, and whether a peak is cut so that the rest can be seen."""
        shares = self.densities.values()
        highest = max((float(share.max()) for share in shares), default=1.0)
        rest = max((float(np.sort(share)[-4]) for share in shares), default=highest)
        cut = highest > 2 * rest
        return (1.3 * rest if cut else 1.08 * highest), cut


def mean_density(counts: Sequence[NDArray[Any]]) -> NDArray[np.float64] | None:
    """Return the mean of each histogram's share by bin; None without a histogram."""
    if not counts:
        return None
    return np.asarray(np.mean([count / count.sum() for count in counts], axis=0))


def draw_panels(
    panels: Sequence[Panel],
    edges: NDArray[Any],
    shown: Sequence[Mark],
    ink: str,
    *,
    columns: int,
    size: tuple[float, float],
    gap: float,
    below: float,
    label: str = "",
) -> Canvas:
    """Draw panels, at least one of them with a histogram, under a legend; sizes are in inches.

    The gap is below each panel, for its ticks and the title of the next one, and `below` is the
    room that the lowest panels have beyond it. The label is that of the lowest axis.
    """
    width, height = size
    across = columns * width + (columns - 1) * _BETWEEN
    head = 0.32 + legend_height(shown, across)
    total = head + -(-len(panels) // columns) * (height + gap) + below
    figure = Canvas(figsize=(_LEFT + across + 0.15, total))
    low, high = _range([share for panel in panels for share in panel.densities.values()], edges)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        bottom = total - head - row * (height + gap) - height
        axes = axes_at(figure, _LEFT + column * (width + _BETWEEN), bottom, width, height)
        _draw_panel(axes, panel, edges, shown)
        axes.set_xlim(low, high)
        axes.set_title(panel.title, fontsize=9, color=ink, loc="left", pad=9)
        axes.set_yticks([])
        bare(axes, ink)
        axes.spines["left"].set_visible(False)
    axes.set_xlabel(label)
    top = axes_at(figure, _LEFT, total - head + 0.3, across, 0.02)
    top.axis("off")
    legend(top, shown, ink)
    return figure


def _draw_panel(axes: Axes, panel: Panel, edges: NDArray[Any], shown: Sequence[Mark]) -> None:
    """Draw each system's histogram in its colour and dashes, and its mark above at its mean."""
    for index, mark in enumerate(shown):
        if mark.label in panel.densities:
            axes.stairs(
                panel.densities[mark.label],
                edges,
                color=mark.colour,
                linewidth=1.1,
                linestyle=_LINES[index % len(_LINES)],
                baseline=None,
                gid=data_id(mark.label),
            )
    # Where no angle could be measured, as with two modalities, the panel stays empty.
    axes.set_ylim(0, panel.top[0] or 1)
    for mark in shown:
        if mark.label in panel.means:
            style = mark.style | {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot([panel.means[mark.label]], [1.05], markersize=4.2, **style)


def _range(densities: Sequence[NDArray[Any]], edges: NDArray[Any]) -> tuple[float, float]:
    """Return the range that holds nearly all of every histogram."""
    grown = [np.cumsum(density) for density in densities]
    lows = [np.searchsorted(sums, _TAIL * sums[-1]) for sums in grown]
    highs = [np.searchsorted(sums, (1 - _TAIL) * sums[-1]) for sums in grown]
    return float(edges[min(lows)]), float(edges[max(highs) + 1])
