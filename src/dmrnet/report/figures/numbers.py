"""Predicted numbers next to the true ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.systems import COLOURS
from dmrnet.report.mistakes.gather import NumbersOf
from dmrnet.report.mistakes.outcomes import NumberOutcomes
from dmrnet.report.statistics.formatting import shortened

MOST_POINTS = 300
"""Most samples of a panel: of more, some that are evenly spread over the true numbers."""

MOST_TARGETS = 3
"""Number of targets with a figure of their own."""

_Values = NDArray[np.float64]


def number_figures(numbers: NumbersOf, baseline: str | None, prefix: str) -> list[Figure]:
    """Draw true by predicted numbers of the best system and the baseline, a figure a target."""
    first = next(iter(numbers.runs), None)
    if first is None:
        return []
    labels = [first]
    if baseline is not None and baseline in numbers.runs and baseline != first:
        labels.append(baseline)
    figures = []
    for number, label in enumerate(labels, start=1):
        run = numbers.runs[label]
        for target in range(min(run.target.shape[1], MOST_TARGETS)):
            name = f"{prefix}-numbers-{number}-{target + 1}"
            figures.append(_figure(numbers, label, run, target, name))
    return figures


def _figure(numbers: NumbersOf, label: str, run: NumberOutcomes, target: int, name: str) -> Figure:
    worst = numbers.worst.get(label, "")
    shown = [c for c in dict.fromkeys((numbers.full, worst)) if c in run.combinations]
    of = numbers.targets[target] if target < len(numbers.targets) else str(target + 1)
    points = {c: _points(run, target, c) for c in shown}
    every = np.concatenate([np.concatenate(pair) for pair in points.values()])
    low, high = (float(end) for end in (every.min(), every.max()))
    pad = 0.04 * (high - low or 1.0)

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(0.75 + 2.6 * len(shown), 2.95))
        for place, combination in enumerate(shown):
            axes = axes_at(figure, 0.65 + 2.6 * place, 0.5, 2.1, 2.1)
            _panel(axes, points[combination], (low - pad, high + pad), ink)
            title = "all modalities" if combination == numbers.full else combination
            axes.set_title(shortened(title, 32), loc="left", color=ink, pad=4, fontsize=9)
            axes.set_xlabel(f"true {shortened(of, 24)}")
            if place == 0:
                axes.set_ylabel("predicted")
        return figure

    some = any(int(run.scored[run.combinations.index(c)].sum()) > MOST_POINTS for c in shown)
    caption = (
        f"{label}, the run with the lowest seed, with all modalities"
        + (f" and with its worst combination, {worst}" if len(shown) > 1 else "")
        + ". On the line a prediction is right."
        + (f" {MOST_POINTS} test samples, evenly spread over the true numbers." if some else "")
    )
    title = f"Predicted against true {of}"
    return make_figure(name, title, caption, draw, system=label)


def _points(run: NumberOutcomes, target: int, combination: str) -> tuple[_Values, _Values]:
    """Return true and predicted numbers of some samples, in the order of the true ones."""
    row = run.combinations.index(combination)
    some = run.scored[row] & np.isfinite(run.predicted[row, :, target])
    truth, guess = run.target[some, target], run.predicted[row, some, target]
    order = np.argsort(truth, kind="stable")
    if len(order) > MOST_POINTS:
        order = order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(int)]
    return truth[order], guess[order]


def _panel(
    axes: Axes, points: tuple[_Values, _Values], ends: tuple[float, float], ink: str
) -> None:
    axes.plot(ends, ends, color=ink, linewidth=0.8, alpha=0.5)
    axes.plot(*points, "o", color=COLOURS[1], markersize=2.6, alpha=0.6, markeredgewidth=0)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.locator_params(nbins=5)
    bare_grid(axes, ink)
