"""Mean variance of each combination with the hard set circled (Fig. 3), over its error."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import (
    HARDEST,
    HIGHLIGHT,
    MOST_COLUMNS,
    axes_at,
    circles,
    dot_matrix,
    error_bars,
    is_wide,
    matrix_size,
    panel,
)
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.systems import marks
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

_MOST_SYSTEMS = 4


def variance_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw variance and error of the first systems that have a variance."""
    systems = [
        item
        for item in summary.systems
        # With many modalities, training may have seen none of the combinations that are scored.
        if item.hardness is not None and item.hardness.variance.keys() & item.scores.keys()
    ]
    more = len(systems) - _MOST_SYSTEMS
    note = f" {more} more systems are in the table above." if more > 0 else ""
    return [
        _by_variance(summary, item, f"{prefix}-{index + 1}", note)
        for index, item in enumerate(systems[:_MOST_SYSTEMS])
    ]


def _by_variance(summary: DataSummary, item: SystemSummary, name: str, note: str) -> Figure:
    """Draw a system's variance of each combination above its error, worst combination first."""
    hardness = item.hardness
    assert hardness is not None
    error = {k: summary.score.error(v.mean) for k, v in item.scores.items()}
    both = columns = [k for k in error if k in hardness.variance]
    columns.sort(key=lambda k: (-error[k], k))
    if len(columns) > MOST_COLUMNS:
        keep = {*columns[:HARDEST], *hardness.mined, *hardness.worst}
        columns = [k for k in columns if k in keep]
    colour = marks([item.label], with_baseline=False)[0].colour
    left, width, matrix = matrix_size(columns, summary.modalities)

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(left + width + 0.15, matrix + 3.4))
        dots = axes_at(figure, left, 0.08, width, matrix)
        dot_matrix(dots, columns, summary.modalities, ink)
        errors = axes_at(figure, left, 0.16 + matrix, width, 1.35)
        for worst, colour_of, alpha in ((False, ink, 0.35), (True, HIGHLIGHT, 1)):
            xs = [i for i, k in enumerate(columns) if (k in hardness.worst) is worst]
            heights = [100 * error[columns[i]] for i in xs]
            errors.bar(xs, heights, width=0.66, color=colour_of, alpha=alpha)
        label = summary.score.label if summary.score.lower_is_better else "error"
        panel(errors, label + (" in %" if summary.score.rate else ""), ink)
        variance = axes_at(figure, left, 1.75 + matrix, width, 1.45)
        values = [hardness.variance[k] for k in columns]
        means = [value.mean for value in values]
        error_bars(variance, range(len(columns)), values, colour, 1)
        variance.plot(means, linestyle="none", marker="o", markersize=3.6, color=colour)
        mined = [i for i, k in enumerate(columns) if k in hardness.mined]
        circles(variance, mined, [means[i] for i in mined], 9)
        panel(variance, "mean σ²", ink)
        for axes in (dots, errors, variance):
            axes.set_xlim(-0.6, len(columns) - 0.4)
        return figure

    caption = (
        "Worst combination on the left. Above: mean variance σ² in the epoch whose weights are kept"
        f"{_epochs(summary, item)}, with the combinations that mining called hard circled. Below: "
        f"the error, with the {len(hardness.worst)} truly worst in the circles' colour. If a high "
        "variance marked hard combinations, both would fall from left to right."
        + _rank(hardness.variance_rank)
    )
    if len(columns) < len(both):
        caption += (
            f" Shown are {len(columns)} of {len(both)} combinations: the {HARDEST} worst "
            "and the mined ones; the correlation is over all."
        )
    if len(both) < len(item.scores):
        caption += f" Training saw {len(both)} of the {len(item.scores)} combinations scored."
    title = f"Variance and error, {item.label}"
    wide = is_wide(columns)
    return make_figure(name, title, caption + note, draw, wide=wide, system=item.label)


def _rank(rank: float | None) -> str:
    """Return a sentence on the rank correlation of variance and error."""
    if rank is None:
        return ""
    meaning = "variance says little about which combinations are hard"
    if abs(rank) > 0.5:
        meaning = f"high variance went with {'hard' if rank > 0 else 'easy'} combinations"
    return f" Their rank correlation is {rank:+.2f}: {meaning}.".replace("-", fmt.MINUS)


def _epochs(summary: DataSummary, item: SystemSummary) -> str:
    """Return the epoch that is shown, in brackets; that of each seed if they differ."""
    by_seed = {run.seed: run.epoch for run in summary.runs if run.label == item.label and run.epoch}
    epochs = set(by_seed.values())
    if len(epochs) > 1:
        return (
            f" ({', '.join(f'{epoch} of seed {seed}' for seed, epoch in sorted(by_seed.items()))})"
        )
    return f" ({epochs.pop()})" if epochs else ""
