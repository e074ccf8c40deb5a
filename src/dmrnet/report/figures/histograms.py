"""Panels of histograms, one line a system, with each system's mean marked above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.axes import axes_at, bare
from dmrnet.report.figures.legend import legend_at, legend_height
from dmrnet.report.figures.marks import Mark
from dmrnet.report.figures.svg import data_id

_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_TAIL = 0.002
"""Share of a histogram that may lie outside of its panel, at either end."""

_LEFT, _BETWEEN = 0.12, 0.2


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of histograms.

    Attributes:
        title: Title of the panel.
        densities: Share by bin of each system that has a histogram, by label.
        means: Mean of each system that has one, by label.
    """

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


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of panels: their number side by side, and sizes in inches.

    Attributes:
        columns: Number of panels side by side.
        width: Width of a panel.
        height: Height of a panel.
        gap: Room below a panel, for its ticks and the title of the next one.
        below: Room below the last line of panels, beyond the gap.
    """

    columns: int
    width: float
    height: float
    gap: float
    below: float


def mean_density(counts: Sequence[NDArray[Any]]) -> NDArray[np.float64] | None:
    """Return the mean of each histogram's share by bin; None without a histogram."""
    if not counts:
        return None
    return np.asarray(np.mean([count / count.sum() for count in counts], axis=0))


def draw_panels(
    panels: Sequence[Panel],
    edges: NDArray[Any],
    shown: Sequence[Mark],
    layout: Layout,
    ink: str,
    label: str = "",
) -> Canvas:
    """Draw panels under a legend.

    Args:
        panels: The panels; at least one has a histogram.
        edges: Edges of the histograms' bins, ``(bins + 1,)``.
        shown: Marks of the systems.
        layout: How the panels are laid out.
        ink: Colour of text and axes.
        label: Label of the lowest axis.
    """
    width, height, columns = layout.width, layout.height, layout.columns
    across = columns * width + (columns - 1) * _BETWEEN
    head = 0.32 + legend_height(shown, across)
    total = head + -(-len(panels) // columns) * (height + layout.gap) + layout.below
    figure = Canvas(figsize=(_LEFT + across + 0.15, total))
    low, high = _range([share for panel in panels for share in panel.densities.values()], edges)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        bottom = total - head - row * (height + layout.gap) - height
        axes = axes_at(figure, _LEFT + column * (width + _BETWEEN), bottom, width, height)
        _histograms(axes, panel, edges, shown)
        for mark in shown:
            if mark.label in panel.means:
                _mean_mark(axes, panel.means[mark.label], mark)
        axes.set_xlim(low, high)
        axes.set_title(panel.title, fontsize=8, color=ink, loc="left", pad=9)
        axes.set_yticks([])
        bare(axes, ink)
        axes.spines["left"].set_visible(False)
        if label and index == len(panels) - 1:
            axes.set_xlabel(label)
    legend_at(figure, _LEFT, total - head + 0.3, across, shown, ink)
    return figure


def _histograms(axes: Axes, panel: Panel, edges: NDArray[Any], shown: Sequence[Mark]) -> None:
    """Draw one line a system, in its colour and dashes."""
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


def _mean_mark(axes: Axes, value: float, mark: Mark) -> None:
    """Draw a system's mark at its mean, above the panel."""
    axes.plot(
        [value],
        [1.05],
        marker=mark.shape,
        color=mark.colour,
        markersize=4.2,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        gid=data_id(mark.label),
    )


def _range(densities: Sequence[NDArray[Any]], edges: NDArray[Any]) -> tuple[float, float]:
    """Return the range that holds nearly all of every histogram."""
    lows, highs = [], []
    for density in densities:
        grown = np.cumsum(density)
        lows.append(edges[int(np.searchsorted(grown, _TAIL * grown[-1]))])
        highs.append(edges[1 + int(np.searchsorted(grown, (1 - _TAIL) * grown[-1]))])
    return float(min(lows)), float(max(highs))
