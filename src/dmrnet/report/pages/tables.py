"""Tables, said once and then written as Markdown here, in a terminal or on the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, average
from dmrnet.report.statistics.inference import holm, interval, paired_p
from dmrnet.report.summary.bootstrap import Resampled
from dmrnet.report.summary.equal_cost import EqualCost
from dmrnet.report.summary.hardness import Hardness, by_chance
from dmrnet.report.summary.ranks import Ranking
from dmrnet.report.summary.summary import DataSummary, SystemSummary

SEEN, UNSEEN = "●", "○"
"""The paper's marks of an available and a missing modality."""

HEADLINE_TITLES = {
    "average": "Average",
    "worst": "Worst",
    "full": "All modalities",
    "single": "One modality",
    "complete": "Average, complete samples",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in a table.

    Attributes:
        text: What it says.
        below: A second line, such as the difference to the baseline.
        best: Whether it is the best of its column or row.
        hint: More for who asks: the numbers of the seeds.
        value: The number to sort by, where it cannot be read off the text.
    """

    text: str
    below: str = ""
    best: bool = False
    hint: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first ``names`` columns hold names or marks, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1


def main_table(summary: DataSummary) -> Table:
    """One line a system: average, worst, full and single-modality score, with differences."""
    keys = [
        key for key in HEADLINE_TITLES if any(key in item.headlines for item in summary.systems)
    ]
    best = {key: best_of(summary, [i.headlines.get(key) for i in summary.systems]) for key in keys}
    rows = []
    for item in summary.systems:
        pairs = {len(value.seeds) for value in item.differences.values()}
        below = "" if not pairs or pairs == {len(item.seeds)} else f"{max(pairs)} paired"
        counted = str(len(item.seeds)) if item.seeds else "as printed"
        cells = [Cell(item.label), Cell(counted, below)]
        cells += [_headline(item, key, best[key]) for key in keys]
        rows.append(tuple(cells))
    return Table(("System", "Seeds", *(HEADLINE_TITLES[key] for key in keys)), tuple(rows))


def difference_table(summary: DataSummary, resampled: Resampled | None = None) -> Table:
    """Two lines a method: against the baseline, and against the baseline at equal cost.

    Intervals and tests are of the average over combinations. Holm's correction is over the methods
    that are set against the same kind of baseline.

    Args:
        summary: The summary.
        resampled: Intervals over draws of test samples, where predictions are kept.
    """
    over_samples = resampled.differences if resampled else {}
    plain = {
        i.label: i.differences["average"] for i in summary.systems if "average" in i.differences
    }
    equal = {
        item.label: item.equal.differences["average"]
        for item in summary.systems
        if item.equal and "average" in item.equal.differences
    }
    rows = []
    for item in summary.systems:
        if item.label in plain:
            cost = item.equal if item.equal and item.equal.is_baseline else None
            rows.append(
                _difference_row(
                    item.label, summary.baseline or "", _cost(cost), plain, item.differences
                )
            )
        if item.label in equal and item.equal and not item.equal.is_baseline:
            rows.append(
                _difference_row(
                    item.label, item.equal.label, _cost(item.equal), equal, item.equal.differences
                )
            )
    header: tuple[str, ...] = (
        "System",
        "Against",
        "Average",
        "95% over seeds",
        "95% over samples",
        "p",
        "p, Holm",
        "Worst",
        "Trained for",
    )
    place = header.index("p") - 1
    with_samples = []
    for row in rows:
        ends = over_samples.get((row[0].text, row[1].text), {}).get("average")
        with_samples.append((*row[:place], Cell(fmt.ends(ends) or fmt.NOTHING), *row[place:]))
    return _without_empty(Table(header, tuple(with_samples), names=2))


def _without_empty(table: Table) -> Table:
    """Leave out columns that say nothing in any line."""
    said = [
        index < table.names or any(row[index].text != fmt.NOTHING for row in table.rows)
        for index in range(len(table.header))
    ]

    def kept(line: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(item for item, here in zip(line, said, strict=True) if here)

    return Table(kept(table.header), tuple(kept(row) for row in table.rows), table.names)


def _difference_row(
    label: str,
    other: str,
    cost: Cell,
    family: Mapping[str, Estimate],
    differences: Mapping[str, Estimate],
) -> tuple[Cell, ...]:
    mean = family[label]
    found = {name: p for name, item in family.items() if (p := paired_p(item)) is not None}
    worst = differences.get("worst")
    return (
        Cell(label),
        Cell(other),
        Cell(fmt.points(mean.mean), hint=fmt.differences_by_seed(mean)),
        Cell(fmt.ends(interval(mean)) or fmt.NOTHING),
        Cell(fmt.probability(found.get(label))),
        Cell(fmt.probability(holm(found).get(label))),
        _difference(worst) if worst else Cell(fmt.NOTHING),
        cost,
    )


MEASURED = {
    "train_cpu_seconds": "CPU time",
    "train_seconds": "time",
    "train_samples": "samples",
}
"""What the cost of a training is, for a reader."""


def _cost(equal: EqualCost | None) -> Cell:
    """Write how long the baseline was trained, as a multiple of the method's training."""
    if equal is None:
        return Cell(fmt.NOTHING)
    hint = f"of the system's {MEASURED[equal.cost_metric]}"
    below = "" if equal.reached else "longest that was run"
    return Cell(f"{equal.ratio:.2f} × as long", below, hint=hint, value=equal.ratio)


def _difference(item: Estimate) -> Cell:
    return Cell(fmt.points(item.mean), fmt.ends(interval(item)), hint=fmt.differences_by_seed(item))


def rank_table(ranking: Ranking) -> Table:
    """One line a system: its average place over the data sets, and its place on each."""
    rows = [
        (
            Cell(label),
            Cell(f"{mean:.2f}", best=mean == min(ranking.averages)),
            *(Cell(f"{place:g}") for place in places),
        )
        for label, mean, places in zip(ranking.labels, ranking.averages, ranking.ranks, strict=True)
    ]
    return Table(("System", "Average rank", *ranking.datasets), tuple(rows))


def combination_table(summary: DataSummary, combinations: Sequence[str]) -> Table:
    """One line a combination in the paper's form: a column a modality, then one a system."""
    with_counts = len({count for counts in summary.counts.values() for count in counts}) > 1
    rows = []
    for name in combinations:
        seen = set(members(name))
        cells = [Cell(SEEN if part in seen else UNSEEN) for part in summary.modalities]
        if with_counts:
            least, most = summary.counts.get(name, (0, 0))
            told = str(most) if least == most else f"{least}-{most}"
            cells.append(Cell(told if most else fmt.NOTHING))
        found = [item.scores.get(name) for item in summary.systems]
        best = best_of(summary, found)
        cells += [_number(value, best, digits=1) for value in found]
        rows.append(tuple(cells))
    counted = ("n",) if with_counts else ()
    header = (*summary.modalities, *counted, *(item.label for item in summary.systems))
    return Table(header, tuple(rows), names=len(summary.modalities))


def size_table(summary: DataSummary) -> Table:
    """One line a system: the average over the compared combinations of each size."""
    sizes: dict[int, list[str]] = {}
    for name in summary.compared:
        sizes.setdefault(len(members(name)), []).append(name)
    columns = {
        size: [average([i.scores[n] for n in names if n in i.scores]) for i in summary.systems]
        for size, names in sorted(sizes.items())
    }
    best = {size: best_of(summary, found) for size, found in columns.items()}
    rows = [
        (Cell(item.label), *(_number(columns[size][k], best[size], digits=1) for size in columns))
        for k, item in enumerate(summary.systems)
    ]
    return Table(("System", *(f"{size} seen" for size in columns)), tuple(rows))


def cost_table(summary: DataSummary) -> Table:
    """One line a system: parameters and operations at inference, epochs, samples, seconds."""
    ways = {
        "parameters": ("Parameters", fmt.count),
        "inference_parameters": ("At inference", fmt.count),
        "inference_flops": ("Operations a sample", fmt.count),
        "epochs": ("Epochs", fmt.count),
        "train_samples": ("Samples trained on", fmt.count),
        "train_seconds": ("Training time a seed", fmt.duration),
        "train_cpu_seconds": ("CPU time", fmt.duration),
    }
    keys = [key for key in ways if any(key in item.run_metrics for item in summary.systems)]
    rows = [
        (
            Cell(item.label),
            *(
                Cell(ways[key][1](item.run_metrics[key].mean), value=item.run_metrics[key].mean)
                if key in item.run_metrics
                else Cell(fmt.NOTHING)
                for key in keys
            ),
        )
        for item in summary.systems
    ]
    return Table(("System", *(ways[key][0] for key in keys)), tuple(rows if keys else ()))


def hardness_table(summary: DataSummary, *, measured: bool = True) -> Table:
    """One line a system with a hard set or a variance: what it mined, and what was worst.

    Args:
        summary: The summary.
        measured: With agreement on validation and rank correlations; without them where an analysis
            says these in a table of its own.
    """
    mined = [
        item
        for item in summary.systems
        if item.hardness is not None and (item.hardness.hard or item.hardness.variance)
    ]
    rows: list[tuple[Cell, ...]] = []
    for item in mined:
        hardness = item.hardness
        assert hardness is not None
        agreement = item.run_metrics.get("hard_agreement")
        rows.append(
            (
                Cell(item.label),
                Cell(_counted(hardness.hard, hardness.seeds) or "none"),
                Cell(", ".join(hardness.worst) or fmt.NOTHING),
                _overlap(hardness),
                Cell(f"{fmt.estimate(agreement, 0)}%" if agreement else fmt.NOTHING),
                Cell(_rank(hardness.variance_rank)),
                Cell(_rank(hardness.loss_rank)),
            )
        )
    header: tuple[str, ...] = (
        "System",
        "Mined as hard",
        f"Truly worst ({summary.split})",
        "In both",
        "Agreement (validation)",
        "Variance and error",
        "Loss and error",
    )
    if not measured:
        header, rows = header[:4], [row[:4] for row in rows]
    return Table(header, tuple(rows), names=3)


def markdown(table: Table) -> str:
    """Write a table as Markdown; the second line of a cell stands in brackets after the first."""
    lines = [
        "| " + " | ".join(escape_markdown(text) for text in table.header) + " |",
        "| "
        + " | ".join("---" if i < table.names else "---:" for i in range(len(table.header)))
        + " |",
    ]
    for row in table.rows:
        lines.append("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |")
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    r"""Write text so that Markdown shows it as it is.

    Example:
        >>> print(escape_markdown("a|b <i>"))
        a\|b \<i\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!])", r"\\\1", text)


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    text = f"**{text}**" if cell.best else text
    return f"{text} ({escape_markdown(cell.below)})" if cell.below else text


def _headline(item: SystemSummary, key: str, best: Estimate | None) -> Cell:
    cell = _number(item.headlines.get(key), best)
    return Cell(cell.text, fmt.difference(item.differences.get(key)), cell.best, cell.hint)


def _number(value: Estimate | None, best: Estimate | None, digits: int = 2) -> Cell:
    if value is None:
        return Cell(fmt.NOTHING)
    is_best = best is not None and fmt.percent(value.mean, digits) == fmt.percent(best.mean, digits)
    return Cell(fmt.estimate(value, digits), best=is_best, hint=fmt.by_seed(value))


def best_of(summary: DataSummary, found: Sequence[Estimate | None]) -> Estimate | None:
    """Return the best of two or more numbers; None with fewer, since one is no choice."""
    values = [value for value in found if value is not None]
    if len(values) < 2:
        return None
    return min(values, key=lambda value: summary.score.error(value.mean))


def _counted(hard: Mapping[str, int], seeds: int) -> str:
    return ", ".join(
        name if count == seeds else f"{name} ({count} of {seeds} seeds)"
        for name, count in sorted(hard.items(), key=lambda pair: -pair[1])
    )


def _overlap(hardness: Hardness) -> Cell:
    mined, worst = len(hardness.mined), len(hardness.worst)
    if not mined:
        return Cell(fmt.NOTHING)
    expected, p = by_chance(mined, worst, hardness.combinations, hardness.agreement)
    told = f"chance {expected:.1f}; p {fmt.probability(p)}"
    return Cell(f"{hardness.agreement} of {mined}", told)


def _rank(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:+.2f}".replace("-", fmt.MINUS)
