"""Diagram of gains over the baseline at equal cost, over all data sets and on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.axes import axes_at, bare_grid
from dmrnet.report.figures.figure import Figure, data_id, make_figure
from dmrnet.report.figures.rank_diagram import WIDTH
from dmrnet.report.figures.systems import COLOURS
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.gains import Gain

TITLES = {
    "average": "average",
    "worst": "worst",
    "full": "all modalities",
    "single": "one modality",
}
_SHOWN = ("average", "worst", "full")
_ROW = 0.165
_LONGEST = 18


def gain_diagram(gains: Mapping[str, Sequence[Gain]], baseline: str, name: str) -> Figure:
    """Draw the gains of each method: a panel for the average, the worst and the full combination.

    Args:
        gains: Gains by headline; the order of methods is that of the first.
        baseline: Label of the baseline.
        name: Name of the figure.
    """
    panels = [headline for headline in _SHOWN if gains.get(headline)]
    labels = [gain.label for gain in gains[panels[0]]]
    margin = 0.12 + 0.062 * min(_LONGEST, max(map(len, labels)))
    width = (WIDTH - margin - 0.08) / len(panels)
    inner, bottom = _ROW * len(labels), 0.42
    height = bottom + inner + 0.24

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(WIDTH, height))
        for number, headline in enumerate(panels):
            axes = axes_at(figure, margin + number * width, bottom, width - 0.12, inner)
            _panel(axes, {gain.label: gain for gain in gains[headline]}, labels, ink)
            axes.set_title(TITLES[headline], color=ink, fontsize=8, pad=4)
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

    sets = max(len(gain.by_data) for gain in gains[panels[0]])
    caption = (
        f"Gain over {baseline} at equal training cost. Dots: {sets} data sets. Bars: mean over "
        "data sets with its 95% interval (random effects); coloured where it is beyond chance "
        "after Holm's correction over the methods. Arrows point to what lies outside."
    )
    return make_figure(name, "Gain at equal training cost", caption, draw)


def _panel(axes: Axes, gains: Mapping[str, Gain], labels: Sequence[str], ink: str) -> None:
    low, high = _limits([*gains.values()])
    for row, label in enumerate(labels):
        gain = gains.get(label)
        if gain is None:
            continue
        gid = data_id(label)
        dots = [100 * one.gain.mean for one in gain.by_data.values()]
        inside = [value for value in dots if low <= value <= high]
        axes.plot(inside, [row] * len(inside), "o", color=ink, alpha=0.35, markersize=2.2, gid=gid)
        for edge, marker, beyond in (
            (low, "<", any(value < low for value in dots)),
            (high, ">", any(value > high for value in dots)),
        ):
            if beyond:
                style: dict[str, Any] = {
                    "color": ink,
                    "alpha": 0.5,
                    "markersize": 3,
                    "clip_on": False,
                }
                axes.plot([edge], [row], marker, gid=gid, **style)
        if gain.pooled is None:
            continue
        sure = gain.holm is not None and gain.holm < 0.05
        colour = COLOURS[1] if sure else ink
        ends = np.clip([100 * gain.pooled.low, 100 * gain.pooled.high], low, high)
        axes.plot(ends, [row, row], color=colour, linewidth=1.4, gid=gid)
        if low <= 100 * gain.pooled.mean <= high:
            axes.plot([100 * gain.pooled.mean], [row], "D", color=colour, markersize=3.6, gid=gid)
    bare_grid(axes, ink, "x")
    axes.axvline(0, color=ink, linewidth=0.8)
    axes.set_xlim(low, high)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)


def _limits(gains: Sequence[Gain]) -> tuple[float, float]:
    """Return limits that hold nine of ten gains on single data sets, and 0."""
    values = [100 * one.gain.mean for gain in gains for one in gain.by_data.values()]
    low, high = np.quantile([0.0, *values], (0.05, 0.97)).tolist()
    means = [100 * gain.pooled.mean for gain in gains if gain.pooled]
    high = max([high, *means])
    pad = 0.08 * max(high - low, 1e-3)
    return min(low, 0.0) - pad, max(high, 0.0) + pad
