"""Figures of what each modality is worth, and of the score to expect when modalities fail."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid, constant_line, error_bars
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.figures.drawing.systems import (
    bars,
    best_systems,
    legend,
    legend_height,
    on_constant,
    worse_left_out,
)
from dmrnet.report.records.metrics import CONSTANT_NAMES
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.worth import FAILURES, Worth, without_any


def worth_figures(summary: DataSummary, worth: Sequence[Worth], prefix: str) -> list[Figure]:
    """Draw both figures of the systems that other figures show; none without any."""
    _, shown = best_systems(summary)
    by_label = {one.label: one for one in worth}
    marks = [mark for mark in shown if mark.label in by_label]
    if not marks:
        return []
    label, names = summary.score.label, summary.modalities
    lower, rate = summary.score.lower_is_better, summary.score.rate
    points = f"points of {label}" if rate else label

    def values(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 2.9 + legend_height(marks, 4.8)))
        axes = axes_at(figure, left=0.6, bottom=0.35, width=4.8, height=2.3)
        for mark in marks:
            estimates = [by_label[mark.label].values[name] for name in names]
            xs = [place + mark.shift for place in range(len(names))]
            error_bars(axes, xs, estimates, mark.colour, 100, data_id(mark.label))
            style = mark.style | {"linestyle": "none"}
            axes.plot(xs, [100 * one.mean for one in estimates], markersize=4.6, **style)
        axes.axhline(0, color=ink, linewidth=0.8, alpha=0.5)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xticks(range(len(names)), [shortened(n, 70 // len(names)) for n in names])
        axes.set_ylabel(points + (" taken off" if lower else ""))
        bare_grid(axes, ink)
        legend(axes, marks, ink)
        return figure

    def curves(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 3.1 + legend_height(marks, 4.8)))
        axes = axes_at(figure, left=0.6, bottom=0.5, width=4.8, height=2.3)
        xs = [100 * fails for fails in FAILURES]
        for mark in marks:
            expected = by_label[mark.label].expected
            error_bars(axes, xs, expected, mark.colour, 100, data_id(mark.label))
            style = mark.style | {"markersize": 3.4}
            axes.plot(xs, [100 * one.mean for one in expected], **style)
        if (alone := summary.constants.get(summary.full)) is not None:
            axes.axhline(100 * alone, **constant_line(ink))
        axes.set_xlabel("probability that a modality fails, in %")
        axes.set_ylabel(summary.score.axis(" to expect"))
        bare_grid(axes, ink)
        legend(axes, marks, ink)
        return figure

    return [
        make_figure(
            f"{prefix}-worth",
            "What each modality is worth",
            "Shapley value: the mean gain over all orders of adding modalities, exact since every "
            f"combination is scored. A system's values add up to its {label} with all modalities"
            + _counted_down(summary)
            + "."
            + bars(summary)
            + worse_left_out(summary),
            values,
        ),
        make_figure(
            f"{prefix}-failures",
            "When modalities fail",
            f"The {label} to expect if each modality fails with this probability, independently of "
            "the others and of the sample; samples without any are left out. Computed from the "
            "scores of all combinations."
            + bars(summary)
            + on_constant(summary)
            + worse_left_out(summary),
            curves,
        ),
    ]


def _counted_down(summary: DataSummary) -> str:
    """Return what values are counted down from where lower is better."""
    nothing, score = without_any(summary), summary.score
    if not nothing:
        return ""
    of = f" of {CONSTANT_NAMES[score.name]} alone" if score.name in CONSTANT_NAMES else ""
    return f", counted down from {100 * nothing:.4g}{score.sign}{of}: positive is error taken off"
