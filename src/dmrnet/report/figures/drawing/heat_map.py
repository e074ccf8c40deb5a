"""Every combination as a heat map: a row for each system, a column for each combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.path import Path

from dmrnet.report.figures.drawing.axes import (
    axes_at,
    bare,
    column_width,
    constant_line,
    dot_matrix,
    matrix_size,
    shade_sizes,
)
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.records.metrics import CONSTANT_NAMES
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.summary import DataSummary

ROW = 0.2
"""Height of a system's row in inches."""

LONGEST_LABEL = 22
"""Longest label of a system, in letters."""


def heat_map(summary: DataSummary, columns: Sequence[str], name: str) -> Figure:
    """Draw the score of every system and combination, and below it the difference to the baseline.

    Args:
        summary: Two systems or more.
        columns: Combinations, in the order of their columns.
        name: Name of the figure.
    """
    scores = {item.label: item.scores for item in summary.systems if item.scores}
    gains = {item.label: item.gains for item in summary.systems if item.scores and item.gains}
    constants = summary.constants.values()
    every = [*_percent(scores, columns), *(100 * value for value in constants)]
    low, high = min(every), max(every)
    # A scale needs some width.
    ends = (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)
    colours = "viridis_r" if summary.score.lower_is_better else "viridis"
    panels = [_Panel(summary.score.axis(), scores, ends, colours)]
    if gains:
        most = max(map(abs, _percent(gains, columns)), default=1.0) or 1.0
        unit = "points" if summary.score.rate else summary.score.label
        panels.insert(0, _Panel(f"{unit} against {summary.baseline}", gains, (-most, most), "RdBu"))
    left, width, dots = matrix_size(columns, summary.modalities)
    left = max(left, 0.2 + 0.075 * max(len(shortened(label, LONGEST_LABEL)) for label in scores))
    base, gap = 0.22, 0.34

    def draw(ink: str) -> Canvas:
        height = base + dots + 0.3 + sum(ROW * len(one.values) + gap for one in panels) - gap
        figure = Canvas(figsize=(left + width + 0.7, height))
        axes = axes_at(figure, left, base, width, dots)
        dot_matrix(axes, columns, summary.modalities, ink)
        shade_sizes([axes], columns, ink)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        bottom = base + 0.05 + dots
        for one in panels:
            height = ROW * len(one.values)
            axes = axes_at(figure, left, bottom, width, height)
            _cells(axes, one, columns, ink)
            scale = axes_at(figure, left + width + 0.12, bottom, 0.12, max(height, 0.4))
            _scale(scale, one, ink)
            bottom += height + gap
        if constants:
            scale.axhline(100 * fmean(constants), **constant_line(ink))
        return figure

    caption = (
        "Each column is a combination; filled dots are the modalities seen. Columns are sorted by "
        "the number of modalities seen, then by the score of the first system, worst first. The "
        "mean over seeds; the tables have every number."
    )
    if constants:
        caption += (
            f" In the scale, dashed: {CONSTANT_NAMES[summary.score.name]} alone, "
            f"{100 * fmean(constants):.4g}{summary.score.sign}."
        )
    return make_figure(name, "Every combination", caption, draw, wide=True)


@dataclass(frozen=True, slots=True)
class _Panel:
    """Rows of rectangles: values by system and combination, and the ends of their colours."""

    title: str
    values: Mapping[str, Mapping[str, Estimate]]
    ends: tuple[float, float]
    colours: str


def _percent(values: Mapping[str, Mapping[str, Estimate]], columns: Sequence[str]) -> list[float]:
    return [100 * of[name].mean for of in values.values() for name in columns if name in of]


def _cells(axes: Axes, panel: _Panel, columns: Sequence[str], ink: str) -> None:
    """Draw a rectangle for each system and combination, which a page can pick out."""
    scale = mpl.colormaps[panel.colours]
    low, high = panel.ends
    # One shape, in inches, that every combination of a system uses.
    half, up = column_width(columns) / 2, ROW / 2
    corners = [(-half, -up), (half, -up), (half, up), (-half, up), (-half, -up)]
    for y, (label, values) in enumerate(panel.values.items()):
        shown = [(x, name) for x, name in enumerate(columns) if name in values]
        means = [100 * values[name].mean for _, name in shown]
        cells = PathCollection(
            [Path(corners)],
            offsets=[(x, y) for x, _ in shown],
            offset_transform=axes.transData,
            facecolors=[scale((mean - low) / max(high - low, 1e-9)) for mean in means],
            linewidths=0,
            clip_on=False,
        )
        cells.set_transform(axes.figure.dpi_scale_trans)
        cells.set_gid(data_id(label, [name for _, name in shown]))
        # Not `add_collection`, which would look for limits that are set anyway.
        axes.add_artist(cells)
    labels = [shortened(label, LONGEST_LABEL) for label in panel.values]
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_title(panel.title, loc="left", color=ink, pad=3)
    _without_edges(axes, ink)


def _scale(axes: Axes, panel: _Panel, ink: str) -> None:
    """Draw the colours' scale at the right of a panel."""
    steps = 24
    scale = mpl.colormaps[panel.colours]
    edges = np.linspace(*panel.ends, steps + 1)
    for number in range(steps):
        axes.axhspan(
            edges[number], edges[number + 1], color=scale((number + 0.5) / steps), linewidth=0
        )
    axes.set_ylim(*panel.ends)
    axes.yaxis.tick_right()
    texts = [f"{end:.0f}" if abs(end) >= 10 else f"{end:.1f}" for end in panel.ends]
    axes.set_yticks(panel.ends, texts)
    _without_edges(axes, ink)


def _without_edges(axes: Axes, ink: str) -> None:
    axes.set_xticks([])
    bare(axes, ink)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
