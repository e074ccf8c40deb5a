"""What the rows say: for each data set and score, every system summed up over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmrnet.report.combinations import members
from dmrnet.report.estimates import Estimate, average, paired_difference
from dmrnet.report.facts import Facts, sort_out, system_of
from dmrnet.report.hardness import Hardness, hardness_of
from dmrnet.report.metrics import COMPLETE, SCORES, Score, scores_of
from dmrnet.report.runs import Run
from dmrnet.report.systems import (
    System,
    find_baseline,
    labels_of,
    shared_settings,
    sources_of,
)

HEADLINES = ("average", "worst", "full", "single", "complete")
"""The numbers that sum a system up; see `SystemSummary.headlines`."""


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """One system on one data set.

    Attributes:
        system: The method with its recipe and settings.
        label: Its name for a reader.
        seeds: Its seeds, ascending; none where it is shown as printed.
        scores: The score of each combination that has a value.
        headlines: ``average`` over the compared combinations; ``worst`` of them in each seed;
            ``full`` combination; ``single``-modality average; ``complete``, the average over the
            samples that have every modality, where some lack one. What cannot be said is absent.
        worst: The compared combination whose mean is worst; None where nothing is compared.
        differences: Paired difference of each headline to the baseline; empty for the baseline.
        gains: Paired difference of each combination to the baseline; empty for the baseline.
        book: Numbers of the run as a whole: ``parameters``, ``train_seconds`` and the like.
        hardness: What mining saw; None where nothing was mined.
    """

    system: System
    label: str
    seeds: tuple[int, ...]
    scores: Mapping[str, Estimate]
    headlines: Mapping[str, Estimate]
    worst: str | None
    differences: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]
    book: Mapping[str, Estimate]
    hardness: Hardness | None


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
        asked_baseline: The name that the baseline was asked for by.
        shared: Settings that all systems have, as ``name=value``; not in the labels.
        runs: Where the rows came from.
        ignored: Metrics in the rows that no report shows.
        sources: Where published systems stand; a label's [1] is the first.
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
    asked_baseline: str
    shared: tuple[str, ...]
    runs: tuple[RunLine, ...]
    ignored: tuple[str, ...]
    sources: tuple[str, ...] = ()

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


def summarise(runs: Sequence[Run], split: str, baseline: str) -> tuple[DataSummary, ...]:
    """Sum up runs, one summary for each data set and score.

    Args:
        runs: The runs.
        split: ``test`` or ``val``.
        baseline: Label or method name of the system that the others are compared to; where there
            is none of that name, nothing is compared.

    Raises:
        ValueError: If two rows of one thing disagree, the baseline could be several systems, or no
            row holds a known score.
    """
    datasets = dict.fromkeys(row.dataset for run in runs for row in run.rows)
    datasets |= dict.fromkeys(row.dataset for run in runs for row in run.published)
    summaries = [
        summary
        for dataset in datasets
        for summary in _summarise_dataset(runs, dataset, split, baseline)
    ]
    if not summaries:
        known = ", ".join(score.name for score in SCORES)
        raise ValueError(f"Expected rows of one of the scores {known} on {split}, found none.")
    return tuple(summaries)


def _summarise_dataset(
    runs: Sequence[Run], dataset: str, split: str, baseline: str
) -> list[DataSummary]:
    facts = sort_out(runs, dataset, split)
    reference = find_baseline(facts.systems, baseline)
    shared = shared_settings(facts.systems)
    labels = labels_of(facts.systems)
    scores = scores_of(facts.metrics)
    shown = {name for score in scores for name in (score.name, score.name + COMPLETE)}
    summaries = []
    for score in scores:
        combinations, compared = facts.combinations(score.name)
        compared_complete = facts.combinations(score.name + COMPLETE)[1]
        alone = {
            item: _sum_up(facts, item, labels[item], score, compared, compared_complete)
            for item in facts.systems
            if facts.seeds.get((item, score.name))
        }
        alone |= {
            item: _as_printed(facts, item, labels[item], score, compared)
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
                        (_against(item, ours) for item in alone.values()),
                        key=lambda item: (
                            bool(item.system.source),
                            ours is not None and item.system != ours.system,
                        ),
                    )
                ),
                baseline=ours.label if ours else None,
                asked_baseline=baseline,
                shared=tuple(f"{key}={value}" for key, value in sorted(shared)),
                runs=_run_lines(runs, dataset, labels),
                ignored=tuple(sorted(set(facts.metrics) - shown)),
                sources=sources_of(facts.systems),
            )
        )
    return summaries


def _sum_up(
    facts: Facts,
    item: System,
    label: str,
    score: Score,
    compared: Sequence[str],
    compared_complete: Sequence[str],
) -> SystemSummary:
    def scores_by(metric: str) -> dict[str, Estimate]:
        return {
            combination: Estimate.of(values)
            for (owner, name, combination), values in facts.scores.items()
            if owner == item and name == metric
        }

    scores = scores_by(score.name)
    complete = scores_by(score.name + COMPLETE)
    full = "+".join(facts.modalities)
    singles = [scores[name] for name in compared if len(members(name)) == 1]
    found = {
        "average": average([scores[name] for name in compared]),
        "worst": _worst_of_each_seed([scores[name] for name in compared], score),
        "full": scores.get(full),
        "single": average(singles),
        "complete": average([complete[name] for name in compared_complete if name in complete]),
    }
    return SystemSummary(
        system=item,
        label=label,
        seeds=tuple(sorted(facts.seeds[item, score.name])),
        scores=scores,
        headlines={name: value for name, value in found.items() if value},
        worst=max(compared, key=lambda name: score.error(scores[name].mean), default=None),
        differences={},
        gains={},
        book={
            metric: Estimate.of(values)
            for (owner, metric), values in facts.book.items()
            if owner == item
        },
        hardness=hardness_of(facts.mining.get(item, {}), scores, score, len(facts.modalities)),
    )


def _as_printed(
    facts: Facts, item: System, label: str, score: Score, compared: Sequence[str]
) -> SystemSummary:
    """Sum up what others published: their average as printed, the rest where all of it is there."""
    found = {
        (metric, combination): value
        for (owner, metric, combination), value in facts.published.items()
        if owner == item
    }
    scores = {name: value for (metric, name), value in found.items() if metric == score.name}
    printed = scores.pop("", None)
    whole = [scores[name] for name in compared if name in scores]
    if len(whole) < len(compared):
        whole = []
    singles = [name for name in compared if len(members(name)) == 1]
    headlines = {
        "average": printed or average(whole),
        "worst": _worst_of_each_seed(whole, score),
        "full": scores.get("+".join(facts.modalities)),
        "single": average([scores[name] for name in singles]) if whole else None,
    }
    return SystemSummary(
        system=item,
        label=label,
        seeds=tuple(sorted({seed for value in scores.values() for seed in value.seeds})),
        scores=scores,
        headlines={name: value for name, value in headlines.items() if value},
        worst=max(compared, key=lambda name: score.error(scores[name].mean)) if whole else None,
        differences={},
        gains={},
        book={metric: value for (metric, name), value in found.items() if not name},
        hardness=None,
    )


def _worst_of_each_seed(estimates: Sequence[Estimate], score: Score) -> Estimate | None:
    if not estimates:
        return None
    if not any(item.seeds for item in estimates):
        return max(estimates, key=lambda item: score.error(item.mean))
    tables = [item.by_seed for item in estimates]
    worst = max if score.lower_is_better else min
    return Estimate.of({seed: worst(table[seed] for table in tables) for seed in tables[0]})


def _against(item: SystemSummary, baseline: SystemSummary | None) -> SystemSummary:
    if baseline is None or item.system == baseline.system or item.system.source:
        return item

    def differences(
        ours: Mapping[str, Estimate], theirs: Mapping[str, Estimate]
    ) -> dict[str, Estimate]:
        both = {
            name: paired_difference(ours[name], theirs[name]) for name in ours if name in theirs
        }
        return {name: value for name, value in both.items() if value}

    return replace(
        item,
        differences=differences(item.headlines, baseline.headlines),
        gains=differences(item.scores, baseline.scores),
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
