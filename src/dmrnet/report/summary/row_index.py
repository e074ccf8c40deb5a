"""The rows of one data set by system, metric, combination and seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.records.combinations import canonical, in_table_order, modality_order
from dmrnet.report.records.mining import MiningRecord
from dmrnet.report.records.published import PublishedRow
from dmrnet.report.records.rows import Row, unique
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.records.systems import System, data_name, system
from dmrnet.report.statistics.estimates import Estimate


@dataclass(frozen=True, slots=True)
class RowIndex:
    """The numbers of one data set, each of them once.

    Attributes:
        modalities: Every modality, in order.
        systems: Every system in order of appearance, published ones last.
        scores: ``{(system, metric, combination): {seed: value}}`` on the reported split, without
            undefined values.
        seeds: ``{(system, metric): seeds}`` that have rows on the reported split.
        counts: ``{(metric, combination): numbers of samples scored}``.
        run_metrics: ``{(system, metric of the whole run): {seed: value}}``.
        mining: ``{system: {seed: mining statistics of the kept epoch}}``.
        metrics: Every metric of a combination on the reported split.
        published: ``{(system, metric, combination): number}`` of published systems; the empty
            combination is the system as a whole.
        selected_on: Fewest samples in the validation rows of a run; 0 without such rows.
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
    selected_on: int

    def values(self, metric: str) -> list[float]:
        """Return every value of a metric."""
        return [v for key, of in self.scores.items() if key[1] == metric for v in of.values()]

    def scaled(self, metrics: Collection[str], factor: float) -> RowIndex:
        """Return the index with the values of some metrics multiplied."""
        scores = {
            key: {seed: factor * value for seed, value in of.items()} if key[1] in metrics else of
            for key, of in self.scores.items()
        }
        return replace(self, scores=scores)

    def combinations(self, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the combinations with any value, and those with a value in every run.

        Published systems count in the second only if there are no runs.
        """
        published = {key for key in self.published if key[1] == metric and key[2]}
        publishers = {item for item, _, _ in published}
        runs = [(item, seeds) for (item, name), seeds in self.seeds.items() if name == metric]
        names = {name for _, of, name in [*self.scores, *published] if of == metric}

        def in_every_run(name: str) -> bool:
            if not runs:
                return all((item, metric, name) in published for item in publishers)
            return all(
                seeds <= self.scores.get((item, metric, name), {}).keys() for item, seeds in runs
            )

        ordered = in_table_order(names, self.modalities)
        return tuple(ordered), tuple(filter(in_every_run, ordered))


_SYSTEMS: dict[tuple[str, str, str, str], System] = {}
"""The systems of rows so far, by their method, recipe, settings and source as text."""


def system_of(row: Row | PublishedRow) -> System:
    """Return the system of a row; a published system has a source."""
    source = row.source if isinstance(row, PublishedRow) else ""
    # Many runs have 100000 rows of a few systems, and each row's system is needed several times.
    key = (row.method, row.recipe, repr(row.settings), source)
    if key not in _SYSTEMS:
        _SYSTEMS[key] = system(row.method, row.recipe, row.settings, source)
    return _SYSTEMS[key]


def index_rows(runs: Sequence[RunRecord], dataset: str, split: str) -> RowIndex:
    """Index the rows of a data set, with combinations named in one order and repeats dropped.

    Raises:
        ValueError: If two rows of one key have different values.
    """
    # Published rows count for every variant of their data set.
    published_rows = [
        row for run in runs for row in run.published if row.dataset in (dataset, data_name(dataset))
    ]
    runs = [run for run in runs if any(row.dataset == dataset for row in run.rows)]
    rows = [row for run in runs for row in run.rows if row.dataset == dataset]
    named = [row.combination for row in rows if row.combination]
    named += [item.combination for run in runs for item in run.mining]
    named += [row.combination for row in published_rows if row.combination]
    order = modality_order([run.modalities for run in runs], named)
    names = {name: canonical(name, order) for name in {row.combination for row in rows}}
    rows = [
        row
        if row.combination == (name := names[row.combination])
        else replace(row, combination=name)
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
    published = _published(published_rows, order, split)
    return RowIndex(
        modalities=order,
        systems=tuple(dict.fromkeys([*map(system_of, rows), *(item for item, _, _ in published)])),
        scores=dict(scores),
        seeds={key: frozenset(value) for key, value in seeds.items()},
        counts={key: frozenset(value) for key, value in counts.items()},
        run_metrics=_run_metrics(rows, split),
        mining=_mining(runs, order),
        metrics=tuple(dict.fromkeys([*(key[1] for key in seeds), *(key[1] for key in published)])),
        published=published,
        selected_on=_selected_on(rows),
    )


def _selected_on(rows: Sequence[Row]) -> int:
    """Return the validation samples of the run with the fewest, by its largest combination."""
    numbers: dict[tuple[System, int], list[int]] = defaultdict(list)
    for row in rows:
        if row.split == "val" and row.combination and row.value is not None:
            numbers[system_of(row), row.seed].append(row.n)
    return min(map(max, numbers.values()), default=0)


def _published(
    rows: Sequence[PublishedRow], order: Sequence[str], split: str
) -> dict[tuple[System, str, str], Estimate]:
    """Collect published numbers, dropping repeats.

    Raises:
        ValueError: If two rows of one key have different values, or only one of them has a seed.
    """
    by_seed: dict[tuple[System, str, str], dict[int | None, PublishedRow]] = defaultdict(dict)
    for row in rows:
        if row.split != split or row.value is None:
            continue
        known = by_seed[system_of(row), row.metric, canonical(row.combination, order)]
        known.setdefault(row.seed, row)
        mixed = None in known and len(known) > 1
        first = next(iter(known.values())) if mixed else known[row.seed]
        if mixed or (first.value, first.se) != (row.value, row.se):
            raise ValueError(
                f"two published rows of {row.source!r} disagree: {row.method}, {row.dataset} "
                f"{row.split}, {row.metric} of {row.combination or 'the whole'} is "
                f"{first.value} (seed {first.seed}) and {row.value} (seed {row.seed}); leave one "
                "out"
            )
    return {key: _estimate(known) for key, known in by_seed.items()}


def _estimate(by_seed: Mapping[int | None, PublishedRow]) -> Estimate:
    values = {seed: row.value for seed, row in by_seed.items() if row.value is not None}
    if None in values:
        return Estimate.as_printed(values[None], by_seed[None].se)
    return Estimate.of({seed: value for seed, value in values.items() if seed is not None})


def _run_metrics(rows: Sequence[Row], split: str) -> dict[tuple[System, str], dict[int, float]]:
    metrics: dict[tuple[System, str], dict[int, float]] = defaultdict(dict)
    # Training writes them with its validation rows; those of the reported split come first.
    for row in sorted(rows, key=lambda row: row.split != split):
        if not row.combination and row.value is not None:
            metrics[system_of(row), row.metric].setdefault(row.seed, row.value)
    return dict(metrics)


def _mining(
    runs: Sequence[RunRecord], order: Sequence[str]
) -> dict[System, dict[int, Sequence[MiningRecord]]]:
    mining: dict[System, dict[int, Sequence[MiningRecord]]] = defaultdict(dict)
    for run in runs:
        if run.mining:
            first = run.rows[0]
            mining[system_of(first)][first.seed] = [
                replace(item, combination=canonical(item.combination, order)) for item in run.mining
            ]
    return dict(mining)
