"""Figures of scores: by number of modalities seen, and by combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import (
    HARDEST,
    MOST_COLUMNS,
    axes_at,
    bare_grid,
    constant_line,
    dot_matrix,
    error_bars,
    is_wide,
    matrix_size,
    panel,
    shade_sizes,
)
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.figures.drawing.heat_map import heat_map
from dmrnet.report.figures.drawing.systems import (
    Mark,
    bars,
    best_systems,
    legend,
    legend_height,
    on_constant,
    worse_left_out,
)
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, average
from dmrnet.report.summary.summary import DataSummary

MOST_MARKS = 31
"""Largest number of combinations for marks of several systems, which would be too close else."""


def score_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw the scores of a summary; names of the figures start with the prefix."""
    if not summary.combinations:
        return []
    figures = [by_number(summary, f"{prefix}-number")] if len(summary.modalities) > 2 else []
    columns, name = _columns(summary), f"{prefix}-combinations"
    if len(columns) > MOST_MARKS and len([i for i in summary.systems if i.scores]) > 1:
        return [*figures, heat_map(summary, columns, name)]
    return [*figures, by_combination(summary, name)]


def by_number(summary: DataSummary, name: str) -> Figure:
    """Draw the average and the worst score of the combinations of each size."""
    systems, shown = best_systems(summary)
    sizes: dict[int, list[str]] = {}
    for combination in summary.compared or summary.combinations:
        sizes.setdefault(len(members(combination)), []).append(combination)

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 3.1 + legend_height(shown, 4.8)))
        axes = axes_at(figure, left=0.6, bottom=0.5, width=4.8, height=2.3)
        for item, mark in zip(systems, shown, strict=True):
            xs, averages, worst = [], [], []
            for size, names in sorted(sizes.items()):
                scores = [item.scores[c] for c in names if c in item.scores]
                if (mean := average(scores)) is not None:
                    # Only a slight shift: a larger one would bend the lines.
                    xs.append(size + 0.1 * mark.shift)
                    averages.append(mean)
                    worst.append(100 * max((v.mean for v in scores), key=summary.score.error))
            error_bars(axes, xs, averages, mark.colour, 100, data_id(mark.label))
            axes.plot(xs, [100 * mean.mean for mean in averages], markersize=4.5, **mark.style)
            hollow: dict[str, Any] = {"markerfacecolor": "none", "linestyle": ":", "linewidth": 0.9}
            axes.plot(xs, worst, markersize=3.5, **hollow, **mark.style)
        if summary.constants:
            for size, names in sizes.items():
                shares = [summary.constants[c] for c in names if c in summary.constants]
                if shares:
                    share = 100 * sum(shares) / len(shares)
                    axes.hlines(share, size - 0.4, size + 0.4, **constant_line(ink))
        axes.set_xticks(sorted(sizes))
        axes.set_xlim(min(sizes) - 0.4, max(sizes) + 0.4)
        axes.set_xlabel("modalities seen")
        axes.set_ylabel(summary.score.axis())
        bare_grid(axes, ink)
        legend(axes, shown, ink)
        return figure

    label = summary.score.label
    # Not MAP for mAP.
    title = f"{label.capitalize() if label.islower() else label} by number of modalities"
    caption = (
        "Filled: average over the combinations of this many modalities. Hollow and dotted: the "
        "worst of these combinations."
    )
    caption += bars(summary) + on_constant(summary)
    return make_figure(name, title, caption + worse_left_out(summary), draw)


def by_combination(summary: DataSummary, name: str) -> Figure:
    """Draw the score of every combination, and below it the difference to the baseline."""
    systems, shown = best_systems(summary)
    columns = _columns(summary)
    compared = [(item, mark) for item, mark in zip(systems, shown, strict=True) if item.gains]
    left, width, matrix = matrix_size(columns, summary.modalities)
    several = len(systems) > 1
    unit = "points" if summary.score.rate else fmt.shortened(summary.score.label, 14)
    base, lower, upper = 0.22, 1.35 if compared else 0.0, 2.5

    def draw(ink: str) -> Canvas:
        height = base + matrix + lower + upper + 0.39 + legend_height(shown, width)
        figure = Canvas(figsize=(left + width + 0.15, height))
        dots = axes_at(figure, left, base, width, matrix)
        dot_matrix(dots, columns, summary.modalities, ink)
        panels = [dots]
        if compared:
            gains = axes_at(figure, left, base + 0.06 + matrix, width, lower - 0.12)
            for item, mark in compared:
                _points(gains, columns, item.gains, mark)
            panel(gains, f"{unit}\nvs {fmt.shortened(summary.baseline or '', 14)}", ink)
            gains.axhline(0, color=ink, linewidth=0.8)
            panels.append(gains)
        scores = axes_at(figure, left, base + 0.06 + matrix + lower, width, upper)
        for item, mark in zip(systems, shown, strict=True):
            _points(scores, columns, item.scores, mark)
        for i, column in enumerate(columns):
            if column in summary.constants:
                share = 100 * summary.constants[column]
                scores.hlines(share, i - 0.5, i + 0.5, **constant_line(ink))
        panel(scores, summary.score.axis(), ink)
        panels.append(scores)
        for axes in panels:
            axes.set_xlim(-0.6, len(columns) - 0.4)
        shade_sizes(panels, columns, ink)
        legend(scores, shown, ink)
        return figure

    which = "score of the first system" if several else "score"
    caption = (
        "Each column is a combination; filled dots are the modalities seen. Columns are sorted by "
        f"the number of modalities seen, then by the {which}, worst first."
    )
    caption += bars(summary)
    if compared:
        caption += f" The lower panel is the difference to {summary.baseline}, paired by seed."
    if len(columns) < len(summary.combinations):
        caption += (
            f" Shown are {len(columns)} of {len(summary.combinations)} combinations: single "
            f"modalities, all modalities, and the {HARDEST} worst; the tables have every one."
        )
    caption += on_constant(summary) + worse_left_out(summary)
    return make_figure(name, "Every combination", caption, draw, wide=is_wide(columns))


def _columns(summary: DataSummary) -> list[str]:
    """Sort the combinations by number of modalities, then by the first system's score."""
    first = summary.systems[0].scores
    hard = {
        # A score of few samples may be bad by chance.
        name: summary.score.error(first[name].mean)
        if name in first and name not in summary.few
        else -1.0
        for name in summary.combinations
    }
    names = sorted(summary.combinations, key=lambda name: (len(members(name)), -hard[name]))
    if len(names) <= MOST_COLUMNS:
        return names
    keep = set(sorted(names, key=lambda name: -hard[name])[:HARDEST])
    keep |= {name for name in names if len(members(name)) in (1, len(summary.modalities))}
    return [name for name in names if name in keep]


def _points(axes: Axes, columns: Sequence[str], values: Mapping[str, Estimate], mark: Mark) -> None:
    """Draw one system's value of each combination."""
    names = [name for name in columns if name in values]
    xs = [i + mark.shift for i, name in enumerate(columns) if name in values]
    error_bars(axes, xs, [values[k] for k in names], mark.colour, 100, data_id(mark.label))
    style = mark.style | {"gid": data_id(mark.label, names), "linestyle": "none"}
    means = [100 * values[name].mean for name in names]
    axes.plot(xs, means, markersize=3.4 if len(columns) > 31 else 4.6, **style)
