"""Diagram of gains over the baseline at equal cost, over all data sets and on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.figures.drawing.systems import COLOURS
from dmrnet.report.figures.rank_diagram import WIDTH
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.over_data.gains import Gain

TITLES = {
    "average": "average",
    "worst": "worst",
    "full": "all modalities",
    "single": "one modality",
}
_SHOWN = ("average", "worst", "full")
_ROW = 0.165
_LONGEST = 18


def gain_diagram(
    gains: Mapping[str, Sequence[Gain]],
    baseline: str,
    name: str,
    others: Mapping[str, Sequence[Gain]] | None = None,
) -> Figure:
    """Draw the gains of each method: a panel for the average, the worst and the full combination.

    Args:
        gains: Gains by headline; the order of methods is that of the first.
        baseline: Label of the baseline.
        name: Name of the figure.
        others: Gains of systems that are drawn below a line.
    """
    more = others or {}
    panels = [headline for headline in _SHOWN if gains.get(headline)]
    methods = [gain.label for gain in gains[panels[0]]]
    labels = [*methods, *(gain.label for gain in more.get(panels[0], ()))]
    margin = 0.12 + 0.062 * min(_LONGEST, max(map(len, labels)))
    width = (WIDTH - margin - 0.08) / len(panels)
    inner, bottom = _ROW * len(labels), 0.42
    height = bottom + inner + 0.24

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(WIDTH, height))
        for number, headline in enumerate(panels):
            axes = axes_at(figure, margin + number * width, bottom, width - 0.12, inner)
            of, under = gains[headline], more.get(headline, ())
            shown = {gain.label: gain for gain in (*of, *under)}
            _panel(axes, shown, labels, _limits(of, under), ink)
            if len(labels) > len(methods):
                axes.axhline(len(methods) - 0.5, color=ink, linewidth=0.6, alpha=0.5)
            axes.set_title(TITLES[headline], color=ink, fontsize=9, pad=4)
            names = [shortened(label, _LONGEST) for label in labels] if number == 0 else []
            axes.set_yticks(range(len(labels)), names or [""] * len(labels))
            axes.tick_params(axis="y", length=0)
        figure.text(
            (margin + (WIDTH - margin) / 2) / WIDTH,
            0.04 / height,
            f"points gained over {baseline} trained as long",
            color=ink,
            ha="center",
            va="bottom",
        )
        return figure

    caption = gain_caption(gains[panels[0]], baseline)
    return make_figure(name, "Gain at equal training cost", caption, draw)


def gain_caption(gains: Sequence[Gain], baseline: str) -> str:
    """Return how to read the diagram of some gains."""
    sets = max(len(gain.by_data) for gain in gains)
    return (
        f"Gain over {baseline} at equal training cost. Dots: {sets} data sets. Bars: mean over "
        "data sets with its 95% interval (random effects); coloured where it is beyond chance "
        "after Holm's correction over the methods. Arrows point to what lies outside."
    )


def _panel(
    axes: Axes,
    gains: Mapping[str, Gain],
    labels: Sequence[str],
    limits: tuple[float, float],
    ink: str,
) -> None:
    for row, label in enumerate(labels):
        if label in gains:
            _row(axes, gains[label], row, limits, ink)
    bare_grid(axes, ink, "x")
    axes.axvline(0, color=ink, linewidth=0.8)
    axes.set_xlim(*limits)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)


def _row(axes: Axes, gain: Gain, row: int, limits: tuple[float, float], ink: str) -> None:
    """Draw a dot for each data set, an arrow where one is outside, and mean and interval."""
    (low, high), gid = limits, data_id(gain.label)
    dots = [100 * one.gain.mean for one in gain.by_data.values()]
    inside = [value for value in dots if low <= value <= high]
    axes.plot(inside, [row] * len(inside), "o", color=ink, alpha=0.35, markersize=2.2, gid=gid)
    arrow: dict[str, Any] = {"color": ink, "alpha": 0.5, "markersize": 3, "clip_on": False}
    if min(dots) < low:
        axes.plot([low], [row], "<", gid=gid, **arrow)
    if max(dots) > high:
        axes.plot([high], [row], ">", gid=gid, **arrow)
    if gain.pooled is None:
        return
    colour = COLOURS[1] if gain.beyond_chance else ink
    ends = np.clip([100 * gain.pooled.low, 100 * gain.pooled.high], low, high)
    axes.plot(ends, [row, row], color=colour, linewidth=1.4, gid=gid)
    if low <= 100 * gain.pooled.mean <= high:
        axes.plot([100 * gain.pooled.mean], [row], "D", color=colour, markersize=3.6, gid=gid)


def _limits(gains: Sequence[Gain], others: Sequence[Gain]) -> tuple[float, float]:
    """Return limits that hold most gains on single data sets, 0, and what is not far below."""
    values = [100 * one.gain.mean for gain in gains for one in gain.by_data.values()]
    low, high = np.quantile([0.0, *values], (0.05, 0.97)).tolist()
    means = [100 * gain.pooled.mean for gain in (*gains, *others) if gain.pooled]
    high = max([high, 0.0, *means])
    low = min(low, 0.0, max(min(means, default=0.0), -2 * high))
    pad = 0.08 * max(high - low, 1e-3)
    return low - pad, high + pad
