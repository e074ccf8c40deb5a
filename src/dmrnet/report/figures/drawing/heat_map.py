"""Every combination as a heat map: a row for each system, a column for each combination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from dmrnet.report.summary.system_summary import SystemSummary

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
    systems = [item for item in summary.systems if item.scores]
    compared = [item for item in systems if item.gains]
    labels = [shortened(item.label, LONGEST_LABEL) for item in systems]
    left, width, dots = matrix_size(columns, summary.modalities)
    left = max(left, 0.2 + 0.075 * max(map(len, labels)))
    upper, lower = ROW * len(systems), ROW * len(compared)
    base, gap = 0.22, 0.34
    unit = "points" if summary.score.rate else summary.score.label

    def draw(ink: str) -> Canvas:
        height = base + 0.3 + upper + (gap + lower if compared else 0) + dots
        figure = Canvas(figsize=(left + width + 0.7, height))
        axes = axes_at(figure, left, base, width, dots)
        dot_matrix(axes, columns, summary.modalities, ink)
        shade_sizes([axes], columns, ink)
        panels, bottom = [axes], base + 0.05 + dots
        if compared:
            most = _largest([item.gains for item in compared], columns)
            below = axes_at(figure, left, bottom, width, lower)
            gains = {item.label: item.gains for item in compared}
            _cells(below, compared, gains, columns, (-most, most), "RdBu", ink)
            below.set_title(f"{unit} against {summary.baseline}", loc="left", color=ink, pad=3)
            _scale(figure, left + width + 0.12, bottom, lower, (-most, most), "RdBu", ink)
            panels, bottom = [*panels, below], bottom + lower + gap
        above = axes_at(figure, left, bottom, width, upper)
        scores = {item.label: item.scores for item in systems}
        ends = _ends([item.scores for item in systems], columns, summary.constants.values())
        colours = "viridis_r" if summary.score.lower_is_better else "viridis"
        _cells(above, systems, scores, columns, ends, colours, ink)
        above.set_title(summary.score.axis(), loc="left", color=ink, pad=3)
        scale = _scale(figure, left + width + 0.12, bottom, upper, ends, colours, ink)
        if summary.constants:
            scale.axhline(100 * fmean(summary.constants.values()), **constant_line(ink))
        for one in (*panels, above):
            one.set_xlim(-0.5, len(columns) - 0.5)
        return figure

    caption = (
        "Each column is a combination; filled dots are the modalities seen. Columns are sorted by "
        "the number of modalities seen, then by the score of the first system, worst first. The "
        "mean over seeds; the tables have every number."
    )
    if summary.constants:
        alone = 100 * fmean(summary.constants.values())
        caption += (
            f" In the scale, dashed: {CONSTANT_NAMES[summary.score.name]} alone, "
            f"{alone:.4g}{summary.score.sign}."
        )
    return make_figure(name, "Every combination", caption, draw, wide=True)


def _cells(
    axes: Axes,
    systems: Sequence[SystemSummary],
    values: Mapping[str, Mapping[str, Estimate]],
    columns: Sequence[str],
    ends: tuple[float, float],
    colours: str,
    ink: str,
) -> None:
    """Draw a rectangle for each system and combination, which a page can pick out."""
    scale = mpl.colormaps[colours]
    low, high = ends
    # One shape, in inches, that every combination of a system uses.
    half, up = column_width(columns) / 2, ROW / 2
    corners = [(-half, -up), (half, -up), (half, up), (-half, up), (-half, -up)]
    for y, item in enumerate(systems):
        shown = [(x, name) for x, name in enumerate(columns) if name in values[item.label]]
        means = [100 * values[item.label][name].mean for _, name in shown]
        cells = PathCollection(
            [Path(corners)],
            offsets=[(x, y) for x, _ in shown],
            offset_transform=axes.transData,
            facecolors=[scale((mean - low) / max(high - low, 1e-9)) for mean in means],
            linewidths=0,
            clip_on=False,
        )
        cells.set_transform(axes.figure.dpi_scale_trans)
        cells.set_gid(data_id(item.label, [name for _, name in shown]))
        # Not `add_collection`, which would look for limits that are set anyway.
        axes.add_artist(cells)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_yticks(range(len(systems)), [shortened(item.label, LONGEST_LABEL) for item in systems])
    axes.set_xticks([])
    bare(axes, ink)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _scale(
    figure: Canvas,
    left: float,
    bottom: float,
    height: float,
    ends: tuple[float, float],
    colours: str,
    ink: str,
) -> Axes:
    """Draw the colours' scale at the right of a panel."""
    axes = axes_at(figure, left, bottom, 0.12, max(height, 0.4))
    steps = 24
    scale = mpl.colormaps[colours]
    edges = np.linspace(*ends, steps + 1)
    for number in range(steps):
        axes.axhspan(
            edges[number], edges[number + 1], color=scale((number + 0.5) / steps), linewidth=0
        )
    axes.set_ylim(*ends)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks(ends, [f"{end:.0f}" if abs(end) >= 10 else f"{end:.1f}" for end in ends])
    bare(axes, ink)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    return axes


def _ends(
    values: Sequence[Mapping[str, Estimate]], columns: Sequence[str], constants: Iterable[float]
) -> tuple[float, float]:
    """Return the ends of the scale: scores and constants."""
    every = [100 * of[name].mean for of in values for name in columns if name in of]
    every += [100 * value for value in constants]
    low, high = min(every), max(every)
    return (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)


def _largest(values: Sequence[Mapping[str, Estimate]], columns: Sequence[str]) -> float:
    every = [abs(100 * of[name].mean) for of in values for name in columns if name in of]
    return max(every, default=1.0) or 1.0
