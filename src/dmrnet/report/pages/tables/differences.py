"""The table of differences to the baseline, and to the baseline at equal training cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dmrnet.report.pages.tables.table import EMPTY, Block, Cell, Table
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import holm, interval, paired_p
from dmrnet.report.summary.bootstrap import (
    FEW_SOURCES,
    Resampled,
    resample,
    why_not_resampled,
)
from dmrnet.report.summary.equal_cost import EqualCost
from dmrnet.report.summary.summary import DataSummary

COST_NAMES = {
    "train_cpu_seconds": "CPU time",
    "train_seconds": "training time",
    "train_samples": "number of training samples",
}
"""Descriptions of the cost of a training, by metric."""

_HOW_COMPARED = (
    "Differences in percentage points, paired by seed. Intervals over seeds are Student's t "
    "intervals; p is that of the paired t test of the average, then with Holm's correction for the "
    "number of systems. A second line compares a system to the baseline trained about as long, if "
    "one was run."
)

_HEADER = (
    "System",
    "Against",
    "Average",
    "95% over seeds",
    "95% over samples",
    "p",
    "p, Holm",
    "Worst",
    "Baseline's cost",
)


def difference_block(summary: DataSummary, runs: Sequence[RunRecord]) -> Block:
    """Return the differences to the baseline, with intervals over draws of test samples."""
    resampled = resample(summary, runs)
    return Block(
        "Differences",
        difference_table(summary, resampled),
        _reading(summary, resampled),
        kind="differences",
        caption="Differences to the baseline",
        better="low" if summary.score.lower_is_better else "high",
    )


def difference_table(summary: DataSummary, resampled: Resampled | None = None) -> Table:
    """One or two rows per system: against the baseline, and against one that cost as much.

    Intervals, also those over draws of test samples, and tests are those of the average over
    combinations. Holm's correction is over the systems compared to the same kind of baseline.
    """
    plain = {
        i.label: i.differences["average"] for i in summary.systems if "average" in i.differences
    }
    equal = {
        i.label: i.equal.differences["average"]
        for i in summary.systems
        if i.equal and "average" in i.equal.differences
    }
    over_samples = resampled.differences if resampled else {}

    def row(
        label: str,
        against: str,
        cost: Cell,
        family: Mapping[str, Estimate],
        differences: Mapping[str, Estimate],
    ) -> tuple[Cell, ...]:
        average, worst = family[label], differences.get("worst")
        p = {name: p for name, item in family.items() if (p := paired_p(item)) is not None}
        ends = over_samples.get((label, against), {}).get("average")
        worst_cell = EMPTY
        if worst:
            hint = fmt.by_seed(worst, fmt.points)
            worst_cell = Cell(fmt.points(worst.mean), fmt.ends(interval(worst)), hint=hint)
        return (
            Cell(label),
            Cell(against),
            Cell(fmt.points(average.mean), hint=fmt.by_seed(average, fmt.points)),
            Cell(fmt.ends(interval(average)) or fmt.NOTHING),
            Cell(fmt.ends(ends, over="draws") or fmt.NOTHING),
            Cell(fmt.probability(p.get(label))),
            Cell(fmt.probability(holm(p).get(label))),
            worst_cell,
            cost,
        )

    rows = []
    for item in summary.systems:
        longer = item.equal if item.equal and not item.equal.is_baseline else None
        if item.label in plain:
            cost = _cost(item.equal) if item.equal and not longer else EMPTY
            rows.append(row(item.label, summary.baseline or "", cost, plain, item.differences))
        if item.label in equal and longer:
            rows.append(row(item.label, longer.label, _cost(longer), equal, longer.differences))
    return Table(_HEADER, tuple(rows), names=2).without_empty_columns()


def _cost(equal: EqualCost) -> Cell:
    """Write the baseline's training cost as a multiple of the system's."""
    below = "" if equal.reached else "longest that was run"
    hint = f"{COST_NAMES[equal.cost_metric]} of the baseline over that of the system"
    return Cell(f"{equal.ratio:.2f} ×", below, hint=hint, value=equal.ratio)


def _reading(summary: DataSummary, resampled: Resampled | None) -> str:
    """Return how to read the table of differences, and the draws of test samples if there are."""
    costs = dict.fromkeys(COST_NAMES[i.equal.cost_metric] for i in summary.systems if i.equal)
    cost = f" The baseline's cost is its {fmt.listed([*costs])} over that of the system."
    how = _HOW_COMPARED.replace("percentage points", summary.score.points)
    over = _how_resampled(resampled) if resampled else f" {why_not_resampled(summary)}".rstrip()
    return how + cost * bool(costs) + over


def _how_resampled(resampled: Resampled) -> str:
    """Return what was resampled, how often, and how much of it there is."""
    units = fmt.listed(
        [
            f"{count:,} {'samples' if kind == 'sample' else f'sources of {kind}'}"
            for kind, count in resampled.units.items()
        ]
    )
    text = (
        f" Intervals over test samples are from {resampled.draws:,} draws of the {units}, with the "
        "seeds fixed; samples of one source are drawn together."
    )
    if (fewest := min(resampled.units.values())) < FEW_SOURCES:
        text += f" With only {fewest} to draw from, the interval is too narrow."
    if resampled.left_out:
        text += f" Without kept predictions: {fmt.listed([*resampled.left_out])}."
    return text
