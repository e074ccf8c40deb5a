"""The tables of scores, ranks, costs and hard combinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dmrnet.report.pages.tables.table import EMPTY, SEEN, UNSEEN, Cell, Table, best_of, score_cell
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.hardness import Hardness, by_chance
from dmrnet.report.summary.over_data.ranks import Ranking
from dmrnet.report.summary.summary import DataSummary

HEADLINE_TITLES = {
    "average": "Average",
    "worst": "Worst",
    "full": "All modalities",
    "single": "One modality",
    "complete": "Average, complete samples",
}

MOST_CLASSES = 6
"""Largest number of classes whose samples are counted one by one."""

_COSTS = {
    "parameters": ("Parameters", fmt.count),
    "inference_parameters": ("At inference", fmt.count),
    "inference_flops": ("Operations per sample", fmt.count),
    "epochs": ("Epochs", fmt.count),
    "train_samples": ("Samples trained on", fmt.count),
    "train_seconds": ("Training time per seed", fmt.duration),
    "train_cpu_seconds": ("CPU time", fmt.duration),
}


def best_headlines(summary: DataSummary) -> dict[str, Estimate | None]:
    """Return the best of each headline that some system has; None if there is no choice."""
    values = {key: [i.headlines.get(key) for i in summary.systems] for key in HEADLINE_TITLES}
    return {key: best_of(summary, items) for key, items in values.items() if any(items)}


def main_table(summary: DataSummary) -> Table:
    """One row per system: average, worst, full and single-modality score, with differences."""
    best = best_headlines(summary)
    rows = []
    for item in summary.systems:
        pairs = {len(value.seeds) for value in item.differences.values()}
        below = "" if not pairs or pairs == {len(item.seeds)} else f"{max(pairs)} paired"
        cells = [Cell(item.label), Cell(str(len(item.seeds) or "as printed"), below)]
        for key in best:
            below = fmt.difference(item.differences.get(key))
            cells.append(score_cell(item.headlines.get(key), best[key], below=below))
        rows.append(tuple(cells))
    return Table(("System", "Seeds", *(HEADLINE_TITLES[key] for key in best)), tuple(rows))


def main_cost_table(summary: DataSummary) -> Table:
    """The main table, with what a system costs next to its scores.

    That is its training time, and its parameters and operations at inference.
    """
    table = main_table(summary)
    costs = {
        "Training": [_time_cell(item.run_metrics) for item in summary.systems],
        "Parameters": [_size_cell(item.run_metrics) for item in summary.systems],
    }
    known = {title: cells for title, cells in costs.items() if any(c is not EMPTY for c in cells)}
    rows = zip(table.rows, *known.values(), strict=True)
    return Table((*table.header, *known), tuple((*row, *cells) for row, *cells in rows))


def _time_cell(metrics: Mapping[str, Estimate]) -> Cell:
    seconds, cpu = metrics.get("train_seconds"), metrics.get("train_cpu_seconds")
    if not seconds or not cpu:
        return _cost_cell(seconds or cpu, fmt.duration)
    return _cost_cell(seconds, fmt.duration, f"CPU {fmt.duration(cpu.mean)}")


def _size_cell(metrics: Mapping[str, Estimate]) -> Cell:
    flops = metrics.get("inference_flops")
    size = metrics.get("inference_parameters") or metrics.get("parameters")
    return _cost_cell(size, fmt.count, f"{fmt.count(flops.mean)} op." if flops else "")


def _cost_cell(value: Estimate | None, write: Callable[[float], str], below: str = "") -> Cell:
    return Cell(write(value.mean), below, value=value.mean) if value else EMPTY


def rank_table(ranking: Ranking) -> Table:
    """One row per system: its average rank over the data sets, and its rank on each."""
    rows = [
        (
            Cell(label),
            Cell(f"{mean:.2f}", best=mean == min(ranking.averages)),
            *(Cell(f"{rank:g}") for rank in ranks),
        )
        for label, mean, ranks in zip(ranking.labels, ranking.averages, ranking.ranks, strict=True)
    ]
    return Table(("System", "Average rank", *ranking.datasets), tuple(rows))


def combination_table(summary: DataSummary, combinations: Sequence[str]) -> Table:
    """One row per combination, as in the paper: a column per modality, then a column per system."""
    with_counts = len({count for counts in summary.counts.values() for count in counts}) > 1
    rows = []
    for name in combinations:
        seen = set(members(name))
        cells = [Cell(SEEN if part in seen else UNSEEN) for part in summary.modalities]
        if with_counts:
            least, most = summary.counts.get(name, (0, 0))
            count = str(most) if least == most else f"{least}-{most}"
            cells.append(Cell(count) if most else EMPTY)
        scores = [item.scores.get(name) for item in summary.systems]
        best = best_of(summary, scores)
        cells += [score_cell(value, best, summary.score.digits) for value in scores]
        rows.append(tuple(cells))
    counts = ("n",) if with_counts else ()
    header = (*summary.modalities, *counts, *(item.label for item in summary.systems))
    return Table(header, tuple(rows), names=len(summary.modalities))


def presence_table(summary: DataSummary) -> Table:
    """One row per combination that training samples have; no rows where all have everything."""
    shown = summary.presence if len(summary.presence) > 1 else ()
    few = len(summary.classes) <= MOST_CLASSES
    classes = summary.classes if few else ()
    rows = []
    for name, counts in shown:
        seen = set(members(name))
        marks = [Cell(SEEN if part in seen else UNSEEN) for part in summary.modalities]
        by_class = [Cell(str(n)) for n in counts] if classes else []
        rows.append((*marks, Cell(str(sum(counts))), *by_class))
    header = (*summary.modalities, "Samples", *classes)
    return Table(header, tuple(rows), names=len(summary.modalities))


def cost_table(summary: DataSummary) -> Table:
    """One row per system: parameters and operations at inference, epochs, samples, seconds."""
    keys = [key for key in _COSTS if any(key in item.run_metrics for item in summary.systems)]
    rows = [
        (Cell(item.label), *(_cost_cell(item.run_metrics.get(k), _COSTS[k][1]) for k in keys))
        for item in summary.systems
    ]
    return Table(("System", *(_COSTS[key][0] for key in keys)), tuple(rows if keys else ()))


def hardness_table(summary: DataSummary) -> Table:
    """One row per system with a hard set or a variance: the mined and the truly worst combinations.

    Agreement on validation and rank correlations are its last three columns.
    """
    rows: list[tuple[Cell, ...]] = []
    for item in summary.systems:
        hardness = item.hardness
        if hardness is None or not (hardness.hard or hardness.variance):
            continue
        agreement = item.run_metrics.get("hard_agreement")
        rows.append(
            (
                Cell(item.label),
                Cell(_mined(hardness.hard, hardness.seeds) or "none"),
                Cell(", ".join(hardness.worst) or fmt.NOTHING),
                _overlap(hardness, item.scores),
                Cell(f"{fmt.estimate(agreement, 0)}%") if agreement else EMPTY,
                Cell(_correlation(hardness.variance_rank)),
                Cell(_correlation(hardness.loss_rank)),
            )
        )
    header = (
        "System",
        "Mined as hard",
        f"Truly worst ({summary.split})",
        "In both",
        "Agreement (validation)",
        "ρ(variance, error)",
        "ρ(loss, error)",
    )
    return Table(header, tuple(rows), names=3)


def _mined(hard: Mapping[str, int], seeds: int) -> str:
    """List the mined combinations, with the number of seeds if it is not all."""
    return ", ".join(
        name if count == seeds else f"{name} ({count} of {seeds} seeds)"
        for name, count in sorted(hard.items(), key=lambda pair: -pair[1])
    )


def _overlap(hardness: Hardness, scores: Mapping[str, Estimate]) -> Cell:
    """Write how many combinations are both, and how many would be by chance."""
    every, worst = len(hardness.mined), len(hardness.worst)
    if not every:
        return EMPTY
    mined = sum(name in scores for name in hardness.mined)
    # With many modalities only some combinations are scored, perhaps none of the mined ones.
    if not mined:
        return Cell(fmt.NOTHING, f"none of {every} mined was scored")
    among = hardness.combinations if mined == every else len(scores)
    expected, p = by_chance(mined, worst, among, hardness.agreement)
    below = f"chance {expected:.1f}; p {fmt.probability(p)}"
    if mined < every:
        below += f"; {every - mined} mined were not scored"
    return Cell(f"{hardness.agreement} of {mined}", below)


def _correlation(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:+.2f}".replace("-", fmt.MINUS)
