"""The analyses on the page: for each a heading, a table, how to read it, and figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from dmrnet.report.figures.angles import KINDS, angle_figure, mean_by_kind, pair_figure
from dmrnet.report.figures.channel_distance import distance_figure, pairs_of
from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.figures.variance_by_epoch import variance_by_epoch
from dmrnet.report.pages.tables.table import EMPTY, Block, Cell, Table
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.analyses import AnalysisSummary, read_analyses
from dmrnet.report.summary.summary import DataSummary

_MOST_BY_EPOCH = 3
"""Number of systems with a figure of their variance by epoch."""


def analysis_blocks(summary: DataSummary, prefix: str) -> tuple[Block, ...]:
    """Return the analyses of a summary's runs; none if the runs were not analysed.

    Names of the figures start with the prefix: letters, digits and hyphens.

    Raises:
        ValueError: If the rows of an analysis cannot be read.
    """
    makers = {
        "channel-distance": _distances,
        "angles": _angles,
        "variance": _variance,
        "hard-set": _hard_sets,
    }
    return tuple(
        makers[analysed.kind](summary, analysed, f"{prefix}-analysis-{index + 1}")
        for index, analysed in enumerate(read_analyses(summary))
        if analysed.kind in makers and analysed.values
    )


def _block(
    analysed: AnalysisSummary,
    title: str,
    table: Table,
    reading: str,
    figures: Iterable[Figure | None] = (),
) -> Block:
    """Make a block, without the figures that could not be drawn; the title says at what."""
    drawn = tuple(figure for figure in figures if figure is not None)
    title += f", at {analysed.at}" if analysed.at else ""
    return Block(title, table, reading, drawn, analysed.kind)


def _distances(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    systems = _systems(summary, analysed)
    forms = ("cosine", "printed")
    rows = []
    for form, pair in itertools.product(forms, pairs_of(analysed)):
        base = analysed.get(summary.baseline, form, pair) if summary.baseline else None
        channels = pair.replace("+", " to ") if "+" in pair else f"within {pair}"
        cells = [Cell(channels), Cell(form)]
        for label in systems:
            value, below = analysed.get(label, form, pair), ""
            if value is not None and base is not None and label != summary.baseline:
                below = f"{value.mean / base.mean:.3f} : 1" if base.mean else ""
            cells.append(_cell(value, 4, below))
        rows.append(tuple(cells))
    figures = [distance_figure(summary, analysed, form, f"{prefix}-{form}") for form in forms]
    ratio = f"; below, the ratio of the means to {summary.baseline}" if summary.baseline else ""
    reading = (
        "Mean distance between the channels of the encoders' maps (Eq. 14-15), within a modality "
        f"or from one modality to another, {_samples(analysed)}; mean ± standard error over "
        f"seeds{ratio}. Higher is more diverse. The equation as printed divides by the norm of a "
        "whole row, so it mostly follows the number of channels; the cosine is what the paper's "
        "text describes. Channels that are zero on a sample have no distance and are left out."
    )
    table = Table(("Channels", "Form", *systems), tuple(rows), names=2)
    return _block(analysed, "Diversity of channels (Fig. 1)", table, reading, figures)


_ANGLES = {
    "within": "One combination",
    "between": "Two combinations",
    "excess": "Excess",
    "directions": "Mean directions of two combinations",
    "classes": "Mean directions of two classes",
    "directions_by_classes": "Combinations by classes",
    "class_vector": "To the class's weights",
}


def _angles(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    systems = _systems(summary, analysed)
    rows = []
    for suffix, origin in (("_centred", "mean"), ("", "zero")):
        by_kind = {label: mean_by_kind(analysed, label, suffix) for label in systems}
        for metric, words in _ANGLES.items():
            digits = 3 if metric == "directions_by_classes" else 1
            values = {label: analysed.get(label, metric + suffix) for label in systems}
            rows += _compared(summary, words, origin, values, digits)
            if metric == "between":
                for kind in ("nested", "shared", "apart"):
                    values = {label: of.get(kind) for label, of in by_kind.items()}
                    rows += _compared(summary, f"… {KINDS[kind]}", origin, values, digits)
    figures = [
        angle_figure(summary, analysed, f"{prefix}-angles"),
        pair_figure(summary, analysed, f"{prefix}-pairs"),
    ]
    difference = (
        f"; below, the difference to {summary.baseline}, paired by seed, with its 95% interval"
        if summary.baseline
        else ""
    )
    reading = (
        f"Degrees between embeddings at inference, {_samples(analysed)}; mean ± standard error "
        f"over seeds{difference}. One combination: two samples of a class, which is the spread of "
        "the class. Two combinations: the same under two; the excess is what that adds. Mean "
        "directions are those of all samples of a class under a combination; their ratio, "
        "combinations by classes, says how far apart combinations are on the scale of classes. The "
        "class's weights are its column of the linear classifier. Angles are measured from the "
        "mean embedding or from zero; after a ReLU, all embeddings lie in one corner as seen from "
        "zero."
    )
    table = Table(("Between", "Seen from", *systems), tuple(rows), names=2)
    return _block(analysed, "Do combinations of a class point apart?", table, reading, figures)


def _compared(
    summary: DataSummary,
    words: str,
    origin: str,
    values: Mapping[str, Estimate | None],
    digits: int,
) -> list[tuple[Cell, ...]]:
    """Return a row of each system's value and difference to the baseline; none without values."""
    if not any(values.values()):
        return []
    base = values.get(summary.baseline) if summary.baseline else None
    cells = [Cell(words), Cell(origin)]
    for label, value in values.items():
        below = ""
        if value is not None and base is not None and label != summary.baseline:
            gap = paired_difference(value, base)
            below = "" if gap is None else _signed(gap, digits)
        cells.append(_cell(value, digits, below))
    return [tuple(cells)]


def _variance(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    systems = _systems(summary, analysed)
    singles = [name for name in analysed.combinations("variance") if "+" not in name]
    full = summary.full
    columns = ["", *singles, *([full] if full not in singles else [])]
    rows = [
        (Cell(label), *(_cell(analysed.get(label, "variance", name), 3) for name in columns))
        for label in systems
    ]
    drawn = [item for item in summary.systems if item.label in systems][:_MOST_BY_EPOCH]
    figures = [
        variance_by_epoch(summary, item, f"{prefix}-course-{number}")
        for number, item in enumerate(drawn, start=1)
    ]
    header = ("System", "Mean σ²", *(fmt.shortened(name, 24) for name in columns[1:]))
    return _block(
        analysed,
        "Variance of combinations (Fig. 3, the σ² row of Table 6)",
        Table(header, tuple(rows)),
        "Mean σ² in training, in the epoch whose weights are kept: the mean over all combinations, "
        "each with the same weight, then that of each single modality and of all modalities.",
        figures,
    )


def _hard_sets(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    metrics = {"mined": "Mined", "by_variance": "Highest variance", "by_loss": "Highest loss"}
    rows = []
    for label in _systems(summary, analysed):
        cells = [Cell(label)]
        for metric in metrics:
            value, chance = (analysed.get(label, f"{metric}{end}") for end in ("", "_chance"))
            if value is None:
                cells.append(EMPTY)
                continue
            below = "" if chance is None else f"chance {fmt.percent(chance.mean, 0)}%"
            cells.append(Cell(f"{fmt.estimate(value, 0)}%", below, hint=fmt.by_seed(value)))
        cells += [_cell(analysed.get(label, f"{of}_rank"), 2) for of in ("variance", "loss")]
        rows.append(tuple(cells))
    header = ("System", *metrics.values(), "ρ(variance, error)", "ρ(loss, error)")
    return _block(
        analysed,
        "Do mined combinations turn out hard?",
        Table(header, tuple(rows)),
        "Share of a hard set that is among the same number of worst combinations on "
        f"{_split(analysed)}; below, the mean share of a random set. ρ is Spearman's rank "
        "correlation over all combinations: +1 if a high value means a hard combination.",
    )


def _systems(summary: DataSummary, analysed: AnalysisSummary) -> list[str]:
    """Return the labels of the systems that have an analysis, in the summary's order."""
    return [item.label for item in summary.systems if item.label in analysed.labels]


def _split(analysed: AnalysisSummary) -> str:
    return "validation" if analysed.split == "val" else "test"


def _samples(analysed: AnalysisSummary) -> str:
    return f"on up to {analysed.samples:,} {_split(analysed)} samples"


def _cell(value: Estimate | None, digits: int, below: str = "") -> Cell:
    if value is None:
        return EMPTY
    known = value.se is not None and not value.is_constant
    text = f"{value.mean:.{digits}f}" + (f" ± {value.se:.{digits}f}" if known else "")
    hint = ", ".join(f"seed {seed}: {one:.{digits}f}" for seed, one in value.by_seed.items())
    return Cell(text.replace("-", fmt.MINUS), below, hint=hint)


def _signed(value: Estimate, digits: int) -> str:
    text = f"{value.mean:+.{digits}f}"
    if value.is_constant:
        text += " [in all seeds]"
    elif (ends := interval(value)) is not None:
        text += f" [{ends[0]:+.{digits}f}, {ends[1]:+.{digits}f}]"
    return text.replace("-", fmt.MINUS)
