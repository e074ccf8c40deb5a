"""The reliability diagram: how often predictions of a confidence are right."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.systems import (
    best_systems,
    legend,
    legend_height,
    worse_left_out,
)
from dmrnet.report.summary.calibration import Calibration, Counts
from dmrnet.report.summary.summary import DataSummary

FEWEST = 20
"""Fewest predictions in a bin that is drawn."""


def reliability_figures(
    summary: DataSummary, calibrations: Sequence[Calibration], prefix: str
) -> list[Figure]:
    """Draw accuracy by confidence of the systems that other figures show; none without any."""
    _, shown = best_systems(summary)
    by_label = {one.label: one for one in calibrations}
    marks = [mark for mark in shown if mark.label in by_label]
    if not marks:
        return []

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 4.0 + legend_height(marks, 4.8)))
        axes = axes_at(figure, left=0.6, bottom=0.5, width=4.8, height=3.2)
        axes.plot([0, 100], [0, 100], color=ink, linewidth=0.8, alpha=0.5)
        for mark in marks:
            counts = by_label[mark.label].counts
            hollow = {"markerfacecolor": "none", "linestyle": ":", "linewidth": 0.9}
            last = "after" if "after" in counts else "before"
            for stage, of in counts.items():
                style = mark.style | ({} if stage == last else hollow)
                axes.plot(*_points(of), markersize=4, **style)
        axes.set_xlim(0, 101)
        axes.set_ylim(0, 101)
        axes.set_xlabel("probability of the predicted class in %")
        axes.set_ylabel("of these predictions right, in %")
        bare_grid(axes, ink)
        legend(axes, marks, ink)
        return figure

    calibrated = any("after" in by_label[mark.label].counts for mark in marks)
    caption = (
        f"All combinations and seeds together, bins of {FEWEST} predictions or more. On the "
        "diagonal a probability is a frequency; below it predictions are too sure."
    )
    if calibrated:
        caption += (
            " Filled: calibrated on validation. Hollow and dotted: as the network gives them."
        )
    caption += worse_left_out(summary)
    return [make_figure(f"{prefix}-reliability", "Reliability", caption, draw)]


def _points(counts: Counts) -> tuple[list[float], list[float]]:
    """Return mean confidence and accuracy of each bin with enough predictions, in percent."""
    number, confidence, right = counts[counts[:, 0] >= FEWEST].T
    return (100 * confidence / number).tolist(), (100 * right / number).tolist()
