"""The rows of one data set, sorted out before anything is summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.records.combinations import canonical, in_table_order, modality_order
from dmrnet.report.records.mining import MiningRecord
from dmrnet.report.records.published import PublishedRow
from dmrnet.report.records.rows import Row, unique
from dmrnet.report.records.runs import Run
from dmrnet.report.records.systems import System, data_name, system
from dmrnet.report.statistics.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Facts:
    """One number for each system, seed and thing measured.

    Attributes:
        modalities: Every modality, in order.
        systems: Every system, in order of appearance; those that others published last.
        scores: ``{(system, metric, combination): {seed: value}}`` on the reported split; undefined
            values are left out.
        seeds: ``{(system, metric): seeds}`` that have rows on the reported split.
        counts: ``{(metric, combination): numbers of samples scored}``.
        run_metrics: ``{(system, metric of the run as a whole): {seed: value}}``.
        mining: ``{system: {seed: the kept epoch's mining statistics}}``.
        metrics: Every metric of a combination on the reported split.
        chosen_on: The fewest samples of a run's validation rows; 0 without such rows.
        published: What others published: ``{(system, metric, combination): number}``; the empty
            combination stands for the system as a whole.
    """

    modalities: tuple[str, ...]
    systems: tuple[System, ...]
    scores: Mapping[tuple[System, str, str], Mapping[int, float]]
    seeds: Mapping[tuple[System, str], frozenset[int]]
    counts: Mapping[tuple[str, str], frozenset[int]]
    run_metrics: Mapping[tuple[System, str], Mapping[int, float]]
    mining: Mapping[System, Mapping[int, Sequence[MiningRecord]]]
    metrics: tuple[str, ...]
    published: Mapping[tuple[System, str, str], Estimate]
    chosen_on: int

    def combinations(self, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the combinations with a value somewhere, and those with one in every run.

        What others published is asked only where nothing was run.
        """
        printed = {key for key in self.published if key[1] == metric and key[2]}
        names = {combination for _, name, combination in self.scores if name == metric}
        names |= {combination for _, _, combination in printed}
        found = in_table_order(names, self.modalities)
        owners = [(item, seeds) for (item, name), seeds in self.seeds.items() if name == metric]
        if owners:
            everywhere = [
                combination
                for combination in found
                if all(
                    seeds <= self.scores.get((item, metric, combination), {}).keys()
                    for item, seeds in owners
                )
            ]
        else:
            publishers = {item for item, _, _ in printed}
            everywhere = [
                combination
                for combination in found
                if all((item, metric, combination) in printed for item in publishers)
            ]
        return tuple(found), tuple(everywhere)


def system_of(row: Row) -> System:
    """Return the system that a row belongs to."""
    return system(row.method, row.recipe, row.settings)


def publisher_of(row: PublishedRow) -> System:
    """Return the system that a published row belongs to: its source tells it from our own."""
    return system(row.method, row.recipe, row.settings, row.source)


def sort_out(runs: Sequence[Run], dataset: str, split: str) -> Facts:
    """Sort out the rows of a data set: combinations named in one order, nothing counted twice.

    Raises:
        ValueError: If two rows of one thing disagree.
    """
    # What others published stands beside every variant of its data set.
    printed = [
        row for run in runs for row in run.published if row.dataset in (dataset, data_name(dataset))
    ]
    runs = [run for run in runs if any(row.dataset == dataset for row in run.rows)]
    rows = [row for run in runs for row in run.rows if row.dataset == dataset]
    named = [row.combination for row in rows if row.combination]
    named += [item.combination for run in runs for item in run.mining]
    named += [row.combination for row in printed if row.combination]
    order = modality_order([run.modalities for run in runs], named)
    rows = [
        replace(row, combination=canonical(row.combination, order)) if row.combination else row
        for row in rows
    ]
    rows = unique(((system_of(r), r.split, r.seed, r.combination, r.metric), r) for r in rows)
    scores: dict[tuple[System, str, str], dict[int, float]] = defaultdict(dict)
    seeds: dict[tuple[System, str], set[int]] = defaultdict(set)
    counts: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows:
        if not row.combination or row.split != split:
            continue
        key = system_of(row)
        seeds[key, row.metric].add(row.seed)
        if row.value is not None:
            scores[key, row.metric, row.combination][row.seed] = row.value
            counts[row.metric, row.combination].add(row.n)
    published = _published(printed, order, split)
    return Facts(
        modalities=order,
        systems=tuple(dict.fromkeys([*map(system_of, rows), *(item for item, _, _ in published)])),
        scores=dict(scores),
        seeds={key: frozenset(value) for key, value in seeds.items()},
        counts={key: frozenset(value) for key, value in counts.items()},
        run_metrics=_bookkeeping(rows, split),
        mining=_mining(runs, order),
        metrics=tuple(
            dict.fromkeys([*(metric for _, metric in seeds), *(name for _, name, _ in published)])
        ),
        published=published,
        chosen_on=_fewest_chosen_on(rows),
    )


def _fewest_chosen_on(rows: Sequence[Row]) -> int:
    """Return the validation samples of the run that has the fewest, by its richest combination."""
    most: dict[tuple[System, int], int] = defaultdict(int)
    for row in rows:
        if row.split == "val" and row.combination and row.value is not None:
            key = system_of(row), row.seed
            most[key] = max(most[key], row.n)
    return min(most.values(), default=0)


def _published(
    rows: Sequence[PublishedRow], order: Sequence[str], split: str
) -> dict[tuple[System, str, str], Estimate]:
    """Gather what others published, nothing counted twice.

    Raises:
        ValueError: If two rows of one thing disagree, or one has a seed and another none.
    """
    seeds: dict[tuple[System, str, str], dict[int | None, PublishedRow]] = defaultdict(dict)
    for row in rows:
        if row.split != split or row.value is None:
            continue
        name = canonical(row.combination, order) if row.combination else ""
        known = seeds[publisher_of(row), row.metric, name]
        known.setdefault(row.seed, row)
        mixed = None in known and len(known) > 1
        first = next(iter(known.values())) if mixed else known[row.seed]
        if mixed or (first.value, first.se) != (row.value, row.se):
            raise ValueError(
                f"Two published rows of {row.source!r} disagree: {row.method}, {row.dataset} "
                f"{row.split}, {row.metric} of {row.combination or 'the whole'} is "
                f"{first.value} (seed {first.seed}) and {row.value} (seed {row.seed}). Leave one "
                "out."
            )
    found = {}
    for key, known in seeds.items():
        values = {seed: row.value for seed, row in known.items() if row.value is not None}
        by_seed = {seed: value for seed, value in values.items() if seed is not None}
        if by_seed:
            found[key] = Estimate.of(by_seed)
        else:
            found[key] = Estimate.as_printed(values[None], known[None].se)
    return found


def _bookkeeping(rows: Sequence[Row], split: str) -> dict[tuple[System, str], dict[int, float]]:
    book: dict[tuple[System, str], dict[int, float]] = defaultdict(dict)
    # Training writes them beside its validation rows; the reported split's own come first.
    for row in sorted(rows, key=lambda row: row.split != split):
        if not row.combination and row.value is not None:
            book[system_of(row), row.metric].setdefault(row.seed, row.value)
    return dict(book)


def _mining(
    runs: Sequence[Run], order: Sequence[str]
) -> dict[System, dict[int, Sequence[MiningRecord]]]:
    mining: dict[System, dict[int, Sequence[MiningRecord]]] = defaultdict(dict)
    for run in runs:
        if run.mining:
            first = run.rows[0]
            mining[system_of(first)][first.seed] = [
                replace(item, combination=canonical(item.combination, order)) for item in run.mining
            ]
    return dict(mining)
