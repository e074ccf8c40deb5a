"""What the rows say: for each data set and score, every system summed up over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmrnet.report.records.metrics import COMPLETE, SCORES, Score, scores_of
from dmrnet.report.records.runs import Run
from dmrnet.report.records.systems import (
    System,
    data_name,
    find_baseline,
    labels_of,
    shared_settings,
    sources_of,
)
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.facts import sort_out, system_of
from dmrnet.report.summary.system_summary import (
    HEADLINES,
    SystemSummary,
    against,
    as_printed,
    sum_up,
)

__all__ = ["HEADLINES", "DataSummary", "RunLine", "SystemSummary", "summarise"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """Where a run came from.

    Attributes:
        path: Its folder, or the file of rows.
        name: The run's name.
        label: Its system.
        seed: Its seed.
        commit: Git commit of the code; empty where unknown.
        epoch: The epoch, counted from 1, whose mining statistics are shown; None without.
        repeatable: Whether the folder is at hand, with its configuration.
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
    """Every system on one data set by one score.

    Attributes:
        dataset: Name of the data set.
        split: The split that was scored.
        score: What the score is.
        modalities: Every modality, in order.
        combinations: Every combination with a value somewhere, in table order.
        compared: Those with a value in every run: averages are over these alone.
        counts: Samples scored, for each combination: the least and the most over the runs.
        systems: The systems, the baseline first, those that others published last.
        baseline: Label of the baseline; None without one.
        requested_baseline: The name that the baseline was asked for by.
        shared: Settings that all systems have, as ``name=value``; not in the labels.
        runs: Where the rows came from.
        chosen_on: The fewest validation samples that a run's kept epoch was chosen on; 0 where
            unknown.
        ignored: Metrics in the rows that no report shows.
        sources: Where published systems stand; a label's [1] is the first.
        data_notes: What the data set says of its samples, whatever the seed.
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
    sources: tuple[str, ...] = ()
    chosen_on: int = 0
    data_notes: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """The combination of all modalities."""
        return "+".join(self.modalities)

    @property
    def samples(self) -> int:
        """The most samples that a combination was scored on."""
        return max((most for _, most in self.counts.values()), default=0)

    @property
    def fewest(self) -> int:
        """The fewest samples that a combination was scored on."""
        return min((least for least, _ in self.counts.values()), default=0)

    def worse(self, first: Estimate, second: Estimate) -> bool:
        """Whether the first score is worse than the second."""
        return self.score.error(first.mean) > self.score.error(second.mean)


def summarise(
    runs: Sequence[Run],
    split: str,
    baseline: str,
    names: Mapping[System, str] | None = None,
) -> tuple[DataSummary, ...]:
    """Sum up runs, one summary for each data set and score.

    Args:
        runs: The runs.
        split: ``test`` or ``val``.
        baseline: Label or method name of the system that the others are compared to; where there
            is none of that name, nothing is compared.
        names: What some systems are called otherwise.

    Raises:
        ValueError: If two rows of one thing disagree, the baseline could be several systems, or no
            row holds a known score.
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
        raise ValueError(f"Expected rows of one of the scores {known} on {split}, found none.")
    return tuple(summaries)


def _summarise_dataset(
    runs: Sequence[Run],
    dataset: str,
    split: str,
    baseline: str,
    names: Mapping[System, str] | None,
) -> list[DataSummary]:
    facts = sort_out(runs, dataset, split)
    reference = find_baseline(facts.systems, baseline, names)
    shared = shared_settings(facts.systems)
    labels = labels_of(facts.systems, names)
    scores = scores_of(facts.metrics)
    shown = {name for score in scores for name in (score.name, score.name + COMPLETE)}
    summaries = []
    for score in scores:
        combinations, compared = facts.combinations(score.name)
        compared_complete = facts.combinations(score.name + COMPLETE)[1]
        alone = {
            item: sum_up(facts, item, labels[item], score, compared, compared_complete)
            for item in facts.systems
            if facts.seeds.get((item, score.name))
        }
        alone |= {
            item: as_printed(facts, item, labels[item], score, compared)
            for item in facts.systems
            if item.source and any(key[:2] == (item, score.name) for key in facts.published)
        }
        ours = alone.get(reference) if reference else None
        summaries.append(
            DataSummary(
                dataset=dataset,
                split=split,
                score=score,
                modalities=facts.modalities,
                combinations=combinations,
                compared=compared,
                counts={
                    name: (min(facts.counts[score.name, name]), max(facts.counts[score.name, name]))
                    for name in combinations
                    if (score.name, name) in facts.counts
                },
                systems=tuple(
                    sorted(
                        (against(item, ours, [*alone.values()]) for item in alone.values()),
                        key=lambda item: (
                            bool(item.system.source),
                            ours is not None and item.system != ours.system,
                        ),
                    )
                ),
                baseline=ours.label if ours else None,
                requested_baseline=baseline,
                shared=tuple(f"{key}={value}" for key, value in sorted(shared)),
                runs=_run_lines(runs, dataset, labels),
                ignored=tuple(sorted(set(facts.metrics) - shown)),
                sources=sources_of(facts.systems),
                chosen_on=facts.chosen_on,
                data_notes=_data_notes(runs, dataset),
            )
        )
    return summaries


def _data_notes(runs: Sequence[Run], dataset: str) -> tuple[str, ...]:
    """Return what all runs say of the data, and what any was made without.

    Notes on one seed's split stand in its folder.
    """
    said = [run.notes for run in runs if run.notes and run.rows[0].dataset == dataset]
    return tuple(
        note
        for note in dict.fromkeys(note for notes in said for note in notes)
        if note.startswith("skipped") or all(note in notes for notes in said)
    )


def _run_lines(
    runs: Sequence[Run], dataset: str, labels: Mapping[System, str]
) -> tuple[RunLine, ...]:
    lines: dict[tuple[str, str, int], RunLine] = {}
    for run in runs:
        for row in run.rows:
            if row.dataset == dataset:
                label = labels[system_of(row)]
                lines.setdefault(
                    (row.run, label, row.seed),
                    RunLine(
                        run.path, row.run, label, row.seed, run.commit, run.epoch, run.is_folder
                    ),
                )
    return tuple(lines.values())
