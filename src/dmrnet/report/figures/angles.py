"""Mean angles between embeddings: the spread of a class, of its combinations, of classes."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.axes import axes_at, bare_grid
from dmrnet.report.figures.figure import Figure, make_figure
from dmrnet.report.figures.svg import data_id
from dmrnet.report.figures.systems import Mark, analysed_left_out, analysed_systems
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary

_ANGLES = (
    ("within", "one combination", "o", False),
    ("between", "two combinations", "o", True),
    ("classes", "two classes", "|", True),
)
"""Metric, label, marker, and whether the marker is filled."""


def angle_figure(summary: DataSummary, analysed: AnalysisSummary, name: str) -> Figure | None:
    """Draw one line a system: angles within a combination, between two, and between classes.

    Returns:
        The figure, or None if no system that is shown has the analysis.
    """
    shown = analysed_systems(summary, analysed)
    if not shown:
        return None
    names = [shortened(mark.label) for mark in shown]
    left = 0.2 + 0.063 * max(map(len, names))

    def draw(ink: str) -> Canvas:
        height, width = 0.24 * len(shown) + 0.1, 2.7
        figure = Canvas(figsize=(left + 2 * width + 0.45, height + 0.95))
        for column, (suffix, words) in enumerate(
            (("_centred", "from the mean embedding"), ("", "from zero"))
        ):
            axes = axes_at(figure, left + column * (width + 0.25), 0.5, width, height)
            for y, mark in enumerate(shown):
                _line(axes, analysed, mark, y, suffix)
            axes.set_ylim(len(shown) - 0.5, -0.5)
            axes.set_xlim(left=0)
            axes.set_yticks(*([], []) if column else (range(len(names)), names))
            axes.set_xlabel(f"degrees, {words}")
            bare_grid(axes, ink, "x")
            axes.tick_params(axis="y", length=0)
        _key(figure, left, height, ink)
        return figure

    caption = (
        "Mean angle between embeddings of two samples of one class under one combination (hollow: "
        "the spread of the class) and under two combinations (filled), and between the mean "
        "directions of two classes (bar); each with ± one standard error over seeds. The further "
        "the filled dot lies right of the hollow one, the more do combinations point apart. "
        "Systems with and without a ReLU before the classifier can be compared from the mean "
        "embedding, not from zero."
    )
    caption += analysed_left_out(summary, analysed)
    return make_figure(name, "Directions of combinations", caption, draw)


def _line(axes: Axes, analysed: AnalysisSummary, mark: Mark, y: int, suffix: str) -> None:
    """Draw the angles of one system at height `y`."""
    style: dict[str, Any] = {"color": mark.colour, "gid": data_id(mark.label)}
    angles = {metric: analysed.get(mark.label, metric + suffix) for metric, *_ in _ANGLES}
    within, between = angles["within"], angles["between"]
    if within is not None and between is not None:
        axes.plot([within.mean, between.mean], [y, y], linewidth=1.6, alpha=0.45, **style)
    for metric, _, marker, filled in _ANGLES:
        value = angles[metric]
        if value is None:
            continue
        if value.se is not None:
            axes.hlines(y, value.mean - value.se, value.mean + value.se, **style)
        axes.plot(
            [value.mean],
            [y],
            marker=marker,
            markersize=5.5 if marker == "o" else 9,
            markeredgewidth=1.3,
            markerfacecolor=mark.colour if filled else "none",
            linestyle="none",
            **style,
        )


def _key(figure: Canvas, left: float, height: float, ink: str) -> None:
    """Explain the markers above the panels."""
    axes = axes_at(figure, left, height + 0.66, 5.0, 0.16)
    axes.set_xlim(0, 5.0)
    axes.set_ylim(-1, 1)
    axes.axis("off")
    x = 0.08
    for _, words, marker, filled in _ANGLES:
        axes.plot(
            [x],
            [0],
            marker=marker,
            markersize=5 if marker == "o" else 8,
            markeredgewidth=1.2,
            color=ink,
            markerfacecolor=ink if filled else "none",
            linestyle="none",
        )
        axes.text(x + 0.1, 0, words, color=ink, va="center_baseline")
        x += 0.35 + 0.066 * len(words)
