"""Training curves: loss and validation score by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid, constant_line
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.systems import (
    Mark,
    best_systems,
    legend,
    legend_height,
    worse_left_out,
)
from dmrnet.report.records.history import History, read_history
from dmrnet.report.records.metrics import CONSTANT_NAMES, is_rate, score_label
from dmrnet.report.summary.summary import DataSummary

VALIDATION = ("val_average", "val_complete")
"""Names of the score that selects epochs: over combinations, or of samples as they are."""


def curve_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw loss and validation score of the systems that other figures show; none without any.

    The score is the one that selects, so that sections of other scores have no curves.
    """
    if summary.selected_by and summary.score.name not in summary.selected_by:
        return []
    _, shown = best_systems(summary)
    runs: dict[str, list[History]] = {mark.label: [] for mark in shown}
    for line in summary.runs:
        if line.label in runs and (history := read_history(line.path)):
            runs[line.label].append(history)
    marks = [mark for mark in shown if runs[mark.label]]
    if not marks:
        return []
    # What selected the epochs need not be the score of this page; earlier runs do not say.
    metrics = summary.selected_by or {summary.score.name}
    metric = next(iter(metrics)) if len(metrics) == 1 else "score"
    rate = all(map(is_rate, metrics))

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 4.5 + legend_height(marks, 4.8)))
        below = axes_at(figure, left=0.6, bottom=0.5, width=4.8, height=1.7)
        above = axes_at(figure, left=0.6, bottom=2.4, width=4.8, height=1.7)
        for mark in marks:
            _line(below, mark, [of.get("loss", {}) for of in runs[mark.label]], 1)
            _line(above, mark, [_validation(of) for of in runs[mark.label]], 100 if rate else 1)
        if summary.val_constant is not None and metric == summary.score.name:
            above.axhline((100 if rate else 1) * summary.val_constant, **constant_line(ink))
        below.locator_params(axis="x", integer=True)
        below.set_xlabel("epoch")
        below.set_ylabel("training loss")
        above.set_ylabel(f"validation {score_label(metric)}" + (" in %" if rate else ""))
        for axes in (below, above):
            bare_grid(axes, ink)
        above.sharex(below)
        above.tick_params(labelbottom=False)
        legend(above, marks, ink)
        return figure

    caption = (
        "Mean over the seeds that reached the epoch; the validation score is the average over "
        "combinations."
    )
    if len(marks) > 1:
        caption += (
            " Losses of different systems have different terms, so only their course compares."
        )
    if summary.val_constant is not None and metric == summary.score.name:
        caption += f" Dashed: {CONSTANT_NAMES[metric]} alone."
    caption += worse_left_out(summary)
    return [make_figure(f"{prefix}-curves", "Training", caption, draw)]


def _validation(history: History) -> Mapping[int, float]:
    return next((history[name] for name in VALIDATION if name in history), {})


def _line(axes: Axes, mark: Mark, seeds: Sequence[Mapping[int, float]], scale: float) -> None:
    """Draw the mean over seeds by epoch."""
    epochs = sorted({epoch for of in seeds for epoch in of})
    if not epochs:
        return
    means = [scale * fmean([of[epoch] for of in seeds if epoch in of]) for epoch in epochs]
    style = mark.style | {"markersize": 3.4, "markevery": max(1, len(epochs) // 12)}
    axes.plot(epochs, means, **style)
