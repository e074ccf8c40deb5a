"""What a page says of analyses: for each a heading, a table, how to read it, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.figures.analysis_figures import angle_figure, distance_figure, pairs_of
from dmrnet.report.figures.angle_pairs import KINDS, by_kind, pair_figure
from dmrnet.report.figures.figures import Figure
from dmrnet.report.figures.variance_figure import course_figure
from dmrnet.report.pages.tables import Cell, Table
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.analyses import AnalysisSummary, read_analyses
from dmrnet.report.summary.summary import DataSummary

MOST_COURSES = 3
"""So many systems have a figure of their variance by epoch."""


@dataclass(frozen=True, slots=True)
class Block:
    """One analysis on the page.

    Attributes:
        title: Its heading.
        table: Its numbers, one line a system.
        reading: How to read them.
        figures: Its figures.
        kind: Name of the analysis.
    """

    title: str
    table: Table
    reading: str
    figures: tuple[Figure, ...]
    kind: str = ""


def analysis_blocks(summary: DataSummary, prefix: str) -> tuple[Block, ...]:
    """Return what there is to say of the analyses of a summary's runs; nothing without any.

    Args:
        summary: The summary.
        prefix: Begins the figures' names: letters, digits and hyphens.

    Raises:
        ValueError: If the rows of an analysis cannot be read.
    """
    ways = {
        "channel-distance": _distances,
        "angles": _angles,
        "variance": _variance,
        "hard-set": _hard_sets,
    }
    blocks = []
    for index, analysed in enumerate(read_analyses(summary)):
        if analysed.kind in ways and analysed.values:
            block = ways[analysed.kind](summary, analysed, f"{prefix}-analysis-{index + 1}")
            blocks.append(replace(block, kind=analysed.kind))
    return tuple(blocks)


def _distances(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    labels = [item.label for item in summary.systems]
    having = _having(analysed, labels)
    rows = []
    for form in ("cosine", "printed"):
        for pair in pairs_of(analysed):
            base = analysed.get(summary.baseline, form, pair) if summary.baseline else None
            cells = [Cell(_pair(pair)), Cell(form)]
            for label in having:
                value, below = analysed.get(label, form, pair), ""
                if value is not None and base is not None and label != summary.baseline:
                    below = f"{value.mean / base.mean:.3f} : 1" if base.mean else ""
                cells.append(_cell(value, 4, below))
            rows.append(tuple(cells))
    drawn = [
        distance_figure(
            analysed,
            labels,
            form,
            f"{prefix}-{form}",
            with_baseline=summary.baseline is not None,
        )
        for form in ("cosine", "printed")
    ]
    ratio = f"; below, the ratio of the means to {summary.baseline}" if summary.baseline else ""
    reading = (
        f"Mean distance between the channels of the encoders' maps (Eq. 14-15), {_of(analysed)}, "
        f"mean ± standard error over seeds{ratio}. Within a modality, or from one to another; "
        "higher is more diverse. As printed, the equation divides by the norm of a whole row, so "
        "that the number follows the count of channels more than anything else; the cosine is what "
        "the text means. Channels that are zero on a sample have no distance and are left out."
    )
    return Block(
        _titled("Diversity of channels (Fig. 1)", analysed),
        Table(("Channels", "Form", *having), tuple(rows), names=2),
        reading,
        tuple(figure for figure in drawn if figure is not None),
    )


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
    labels = [item.label for item in summary.systems]
    having = _having(analysed, labels)
    rows = []
    for suffix, seen in (("_centred", "mean"), ("", "zero")):
        pairs = {label: by_kind(analysed, label, suffix) for label in having}
        for metric, words in _ANGLES.items():
            digits = 3 if metric == "directions_by_classes" else 1
            values = {label: analysed.get(label, metric + suffix) for label in having}
            rows.append(_compared(summary, words, seen, values, digits))
            if metric != "between":
                continue
            for kind in ("nested", "shared", "apart"):
                values = {label: of.get(kind) for label, of in pairs.items()}
                if any(value is not None for value in values.values()):
                    rows.append(_compared(summary, f"… {KINDS[kind]}", seen, values, digits))
    with_baseline = summary.baseline is not None
    drawn = [
        angle_figure(analysed, labels, f"{prefix}-angles", with_baseline=with_baseline),
        pair_figure(analysed, labels, f"{prefix}-pairs", with_baseline=with_baseline),
    ]
    over = (
        f"; below, the difference to {summary.baseline}, paired by seed, with its 95% interval"
        if summary.baseline
        else ""
    )
    reading = (
        "Degrees between inference embeddings of one class, "
        f"{_of(analysed)}, mean ± standard error over seeds{over}. Of two samples under one "
        "combination: the spread of the class. Under two combinations: the excess over that spread "
        "is what combinations add. Mean directions are of all samples of a class under a "
        "combination; their ratio says how far combinations are apart on the scale of classes. The "
        "class's weights are the column of the linear classifier that training turns them to. "
        "Angles are seen from the mean embedding or from zero; behind a ReLU all embeddings lie in "
        "one corner as seen from zero."
    )
    return Block(
        _titled("Do combinations of a class point apart?", analysed),
        Table(("Between", "Seen from", *having), tuple(rows), names=2),
        reading,
        tuple(figure for figure in drawn if figure is not None),
    )


def _compared(
    summary: DataSummary,
    words: str,
    seen: str,
    values: Mapping[str, Estimate | None],
    digits: int,
) -> tuple[Cell, ...]:
    """One line: a number of each system, below it the difference to the baseline."""
    base = values.get(summary.baseline) if summary.baseline else None
    cells = [Cell(words), Cell(seen)]
    for label, value in values.items():
        below = ""
        if value is not None and base is not None and label != summary.baseline:
            gap = paired_difference(value, base)
            below = "" if gap is None else _signed(gap, digits)
        cells.append(_cell(value, digits, below))
    return tuple(cells)


def _variance(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    having = _having(analysed, [item.label for item in summary.systems])
    singles = [name for name in analysed.combinations("variance") if "+" not in name]
    full = summary.full
    columns = ["", *singles, *([full] if full not in singles else [])]
    rows = [
        (
            Cell(label),
            *(_cell(analysed.get(label, "variance", name), 3) for name in columns),
        )
        for label in having
    ]
    drawn = [
        course_figure(summary, item, f"{prefix}-course-{index + 1}")
        for index, item in enumerate(i for i in summary.systems if i.label in having)
        if index < MOST_COURSES
    ]
    header = ("System", "Mean σ²", *(fmt.shortened(name, 24) for name in columns[1:]))
    return Block(
        "Variance of combinations (Fig. 3, the σ² row of Table 6)",
        Table(header, tuple(rows)),
        "Mean σ² in training, in the epoch whose weights are kept: the mean over all combinations, "
        "each counting the same, then of single modalities and of all of them.",
        tuple(figure for figure in drawn if figure is not None),
    )


def _hard_sets(summary: DataSummary, analysed: AnalysisSummary, prefix: str) -> Block:
    metrics = {"mined": "Mined", "by_variance": "Highest variance", "by_loss": "Highest loss"}
    rows = []
    for label in _having(analysed, [item.label for item in summary.systems]):
        cells = [Cell(label)]
        for metric in metrics:
            chance = analysed.get(label, f"{metric}_chance")
            below = "" if chance is None else f"chance {fmt.percent(chance.mean, 0)}%"
            value = analysed.get(label, metric)
            text = fmt.NOTHING if value is None else f"{fmt.estimate(value, 0)}%"
            cells.append(Cell(text, below, hint="" if value is None else fmt.by_seed(value)))
        cells += [_cell(analysed.get(label, f"{of}_rank"), 2) for of in ("variance", "loss")]
        rows.append(tuple(cells))
    header = ("System", *metrics.values(), "Rank: variance, error", "Rank: loss, error")
    return Block(
        "Do mined combinations turn out hard?",
        Table(header, tuple(rows)),
        "Share of a hard set that is among as many combinations that score worst on "
        f"{_split(analysed)}; below, what a random set would share on average. Rank correlations "
        "are over all combinations: +1 where a high value means a hard one.",
        (),
    )


def _having(analysed: AnalysisSummary, labels: Sequence[str]) -> list[str]:
    known = {label for label, _, _ in analysed.values}
    return [label for label in labels if label in known]


def _pair(pair: str) -> str:
    first, _, second = pair.partition("+")
    return f"{first} to {second}" if second else f"within {first}"


def _titled(title: str, analysed: AnalysisSummary) -> str:
    return f"{title}, at {analysed.at}" if analysed.at else title


def _split(analysed: AnalysisSummary) -> str:
    return "validation" if analysed.split == "val" else "test"


def _of(analysed: AnalysisSummary) -> str:
    return f"on up to {analysed.samples:,} {_split(analysed)} samples"


def _cell(value: Estimate | None, digits: int, below: str = "") -> Cell:
    if value is None:
        return Cell(fmt.NOTHING)
    text = f"{value.mean:.{digits}f}" + ("" if value.se is None else f" ± {value.se:.{digits}f}")
    hint = ", ".join(f"seed {seed}: {one:.{digits}f}" for seed, one in value.by_seed.items())
    return Cell(text.replace("-", fmt.MINUS), below, hint=hint)


def _signed(value: Estimate, digits: int) -> str:
    text = f"{value.mean:+.{digits}f}"
    if (ends := interval(value)) is not None:
        text += f" [{ends[0]:+.{digits}f}, {ends[1]:+.{digits}f}]"
    return text.replace("-", fmt.MINUS)
