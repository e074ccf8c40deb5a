"""Summaries of runs: for each data set and score, every system over its seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dmrnet.report.records.metrics import (
    BESIDE,
    COMPLETE,
    CONSTANTS,
    RECALL,
    SCORES,
    Score,
    counted_combinations,
    scores_of,
    shown_as,
)
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.records.systems import (
    System,
    data_name,
    find_baseline,
    labels_of,
    shared_settings,
    sources_of,
)
from dmrnet.report.summary.class_scores import (
    ClassScores,
    class_scores_of,
    constants_of,
    undefined_acer,
)
from dmrnet.report.summary.parts import PartScores, is_part, parts_of
from dmrnet.report.summary.row_index import RowIndex, index_rows, system_of
from dmrnet.report.summary.system_summary import SystemSummary, compare, summarise_system


@dataclass(frozen=True, slots=True)
class RunLine:
    """Origin of the numbers of one run, with the label of its system.

    Attributes:
        path: Run folder, or file of rows.
        commit: Git commit of the code; empty if unknown.
        epoch: Epoch, counted from 1, whose mining statistics are shown; None without.
        repeatable: Whether the run folder is available, with its configuration.
    """

    path: Path
    name: str
    label: str
    seed: int
    commit: str
    epoch: int | None
    repeatable: bool


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Every system on one data set and split by one score.

    Attributes:
        modalities: Every modality, in order.
        combinations: Every combination with any value, in table order.
        compared: Combinations with a value in every run and enough samples, for averages.
        few: Combinations with a value in every run and too few samples.
        undefined: Why no combination has a value, and what is defined instead; empty if unknown.
        constants: Score of the best constant prediction, by combination; empty if unknown.
        val_constant: Its mean on validation samples, over combinations and runs, as in the rows;
            None if unknown.
        selected_by: Metrics that runs are selected by.
        of_classes: Metrics of classes of the systems that have them.
        parts: Parts of the score of the systems that have them, such as regions.
        counts: Smallest and largest number of samples scored in a run, for each combination.
        systems: The systems, the baseline first, published ones last.
        baseline: Label of the baseline; None without one.
        requested_baseline: Name by which the baseline was requested.
        shared: Settings that all systems have, as ``name=value``; labels leave them out.
        runs: Origin of the numbers.
        selected_on: Fewest validation samples on which a run's epoch was selected; 0 if unknown.
        ignored: Metrics in the rows that no report shows.
        sources: Sources of published systems; the first is [1] in labels.
        data_notes: Notes of the data set on its samples that hold for all seeds.
        data_warnings: What is probably wrong with the samples of a run.
        chosen: Names of settings that were chosen on validation for each system.
        presence: Training samples of the first run by combination that they have, of each class.
        classes: Names of the classes; empty if unknown.
        factor: What values of the score in rows were multiplied by, to be shown.
        kinds: Kinds of the modalities of the first run, such as ``image``; empty if unknown.
    """

    dataset: str
    split: str
    score: Score
    modalities: tuple[str, ...]
    combinations: tuple[str, ...]
    compared: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    systems: tuple[SystemSummary, ...]
    baseline: str | None
    requested_baseline: str
    shared: tuple[str, ...]
    runs: tuple[RunLine, ...]
    ignored: tuple[str, ...]
    sources: tuple[str, ...]
    selected_on: int
    data_notes: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    presence: tuple[tuple[str, tuple[int, ...]], ...] = ()
    classes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    factor: float = 1.0
    data_warnings: tuple[str, ...] = ()
    few: tuple[str, ...] = ()
    undefined: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)
    val_constant: float | None = None
    selected_by: frozenset[str] = frozenset()
    of_classes: tuple[ClassScores, ...] = ()
    parts: tuple[PartScores, ...] = ()

    @property
    def full(self) -> str:
        """Combination of all modalities."""
        return "+".join(self.modalities)

    @property
    def own(self) -> list[SystemSummary]:
        """Systems that were run here, not published ones."""
        return [item for item in self.systems if not item.system.source]

    @property
    def ranked(self) -> list[str]:
        """Labels of the systems, the best average first; those without one last."""

        def key(item: SystemSummary) -> tuple[bool, float]:
            mean = item.headlines.get("average")
            return mean is None, self.score.error(mean.mean) if mean else 0.0

        return [item.label for item in sorted(self.systems, key=key)]

    @property
    def samples(self) -> int:
        """Largest number of samples that a combination was scored on."""
        return max((most for _, most in self.counts.values()), default=0)

    @property
    def fewest(self) -> int:
        """Smallest number of samples that a combination was scored on."""
        return min((least for least, _ in self.counts.values()), default=0)


def summarise(
    runs: Sequence[RunRecord],
    split: str,
    baseline: str,
    names: Mapping[System, str] | None = None,
) -> tuple[DataSummary, ...]:
    """Summarise runs, once for each data set and score.

    Args:
        runs: Runs from `read_runs`.
        split: ``test`` or ``val``.
        baseline: Label or method name of the system to compare the others with; if there is no such
            system, nothing is compared.
        names: Custom names of some systems.

    Raises:
        ValueError: If two rows of one key have different values, the baseline could be several
            systems, or no row holds a known score.
    """
    datasets = dict.fromkeys(row.dataset for run in runs for row in run.rows)
    variants = set(map(data_name, datasets))
    datasets |= dict.fromkeys(
        row.dataset for run in runs for row in run.published if row.dataset not in variants
    )
    summaries = [
        summary
        for dataset in datasets
        for summary in _summarise_dataset(runs, dataset, split, baseline, names)
    ]
    if not summaries:
        known = ", ".join(score.name for score in SCORES)
        raise ValueError(f"expected rows of one of the scores {known} on {split}, got none")
    return tuple(summaries)


def _summarise_dataset(
    runs: Sequence[RunRecord],
    dataset: str,
    split: str,
    baseline: str,
    names: Mapping[System, str] | None,
) -> Iterator[DataSummary]:
    every = index_rows(runs, dataset, split)
    reference = find_baseline(every.systems, baseline, names)
    labels = labels_of(every.systems, names)
    of_dataset = [run for run in runs if run.rows and run.rows[0].dataset == dataset]
    selected_by = frozenset(run.score for run in of_dataset if run.score)
    scores = scores_of(every.metrics, selected_by)
    shown = {name for score in scores for name in (score.name, score.name + COMPLETE)}
    for known_score in scores:
        score, factor = shown_as(known_score, every.values(known_score.name))
        alone = CONSTANTS.get(score.name, "")
        part_metrics = [one for one in every.metrics if is_part(one, score.name)]
        scaled = (score.name, score.name + COMPLETE, alone, *part_metrics)
        index = every if factor == 1 else every.scaled(scaled, factor)
        combinations, valued = index.combinations(score.name)
        counts = {name: index.counts.get((score.name, name)) for name in combinations}
        enough = counted_combinations({c: min(n) for c in valued if (n := counts[c])})
        few = tuple(name for name in valued if counts[name] and name not in enough)
        compared = tuple(name for name in valued if name not in few)
        systems = _summarise_systems(index, labels, score, compared, reference)
        yield DataSummary(
            dataset=dataset,
            split=split,
            score=score,
            modalities=index.modalities,
            combinations=combinations,
            compared=compared,
            counts={name: (min(of), max(of)) for name, of in counts.items() if of},
            systems=systems,
            baseline=next((one.label for one in systems if one.system == reference), None),
            requested_baseline=baseline,
            shared=tuple(f"{k}={v}" for k, v in sorted(shared_settings(index.systems))),
            runs=_run_lines(runs, dataset, labels),
            ignored=tuple(
                metric
                for metric in sorted(set(index.metrics) - shown - BESIDE)
                if not metric.startswith(RECALL)
                and not any(is_part(metric.removesuffix(COMPLETE), one.name) for one in scores)
            ),
            sources=sources_of(index.systems),
            selected_on=index.selected_on,
            data_notes=_data_notes(of_dataset),
            presence=next((run.presence for run in of_dataset if run.presence), ()),
            classes=next((run.classes for run in of_dataset if run.classes), ()),
            factor=factor,
            kinds=next((run.kinds for run in of_dataset if run.kinds), ()),
            data_warnings=_data_warnings(of_dataset),
            few=few,
            undefined=undefined_acer(index) if score.name == "acer" and not combinations else "",
            constants=constants_of(index, alone, combinations),
            val_constant=_val_constant(of_dataset, alone),
            selected_by=selected_by,
            of_classes=tuple(
                known
                for one in systems
                if score.name == "accuracy"
                and (known := class_scores_of(index, one.system, one.label, compared))
            ),
            parts=parts_of(index, labels, score.name, compared),
        )


def _summarise_systems(
    index: RowIndex,
    labels: Mapping[System, str],
    score: Score,
    compared: Sequence[str],
    reference: System | None,
) -> tuple[SystemSummary, ...]:
    """Summarise the systems with values of a score: the baseline first, published ones last."""
    scored = {*index.seeds, *(key[:2] for key in index.published)}
    compared_complete = index.combinations(score.name + COMPLETE)[1]
    every = [
        summarise_system(index, system, labels[system], score, compared, compared_complete)
        for system in index.systems
        if (system, score.name) in scored
    ]
    ours = next((one for one in every if one.system == reference), None)
    return tuple(
        sorted(
            (compare(one, ours, every) for one in every),
            key=lambda one: (bool(one.system.source), bool(ours) and one.system != reference),
        )
    )


def _val_constant(runs: Sequence[RunRecord], metric: str) -> float | None:
    values = [
        row.value
        for run in runs
        for row in run.rows
        if row.split == "val" and row.metric == metric and row.value is not None
    ]
    return sum(values) / len(values) if values else None


def _data_notes(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return the notes that all runs share, and those on samples that any run lacks.

    Notes on the split of one seed are only in its run folder.
    """
    notes_of_runs = [run.notes for run in runs if run.notes]
    return tuple(
        note
        for note in dict.fromkeys(note for notes in notes_of_runs for note in notes)
        if note.startswith("skipped") or all(note in notes for notes in notes_of_runs)
    )


def _data_warnings(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return the warnings of any run; one that differs between seeds only in figures once."""
    warnings = [one for run in runs for one in run.warnings]
    shapes = {re.sub(r"[\d.]+", "#", one): one for one in reversed(warnings)}
    return tuple(reversed(shapes.values()))


def _run_lines(
    runs: Sequence[RunRecord], dataset: str, labels: Mapping[System, str]
) -> tuple[RunLine, ...]:
    lines: dict[tuple[str, str, int], RunLine] = {}
    for run in runs:
        for row in (row for row in run.rows if row.dataset == dataset):
            key = row.run, labels[system_of(row)], row.seed
            lines.setdefault(key, RunLine(run.path, *key, run.commit, run.epoch, run.is_folder))
    return tuple(lines.values())
