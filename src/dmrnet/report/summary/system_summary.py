"""One system, summed up over its seeds and set against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.records.combinations import members
from dmrnet.report.records.metrics import COMPLETE, Score
from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate, average, paired_difference
from dmrnet.report.summary.equal_cost import EqualCost, choose, of_the_baseline
from dmrnet.report.summary.facts import Facts
from dmrnet.report.summary.hardness import Hardness, hardness_of

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
        run_metrics: Numbers of whole runs: ``parameters``, ``train_seconds`` and the like.
        hardness: What mining saw; None where nothing was mined.
        equal: The baseline at equal training cost; None without a baseline or known costs, and for
            the baseline itself, trained for whatever length.
    """

    system: System
    label: str
    seeds: tuple[int, ...]
    scores: Mapping[str, Estimate]
    headlines: Mapping[str, Estimate]
    worst: str | None
    differences: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]
    run_metrics: Mapping[str, Estimate]
    hardness: Hardness | None
    equal: EqualCost | None = None


def sum_up(
    facts: Facts,
    item: System,
    label: str,
    score: Score,
    compared: Sequence[str],
    compared_complete: Sequence[str],
) -> SystemSummary:
    """Sum up a system that was run.

    Args:
        facts: The rows, sorted out.
        item: The system.
        label: Its name for a reader.
        score: What is summed up.
        compared: Combinations that every run has a value for: averages are over these.
        compared_complete: The same, of the samples that have every modality.
    """

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
        run_metrics={
            metric: Estimate.of(values)
            for (owner, metric), values in facts.run_metrics.items()
            if owner == item
        },
        hardness=hardness_of(facts.mining.get(item, {}), scores, score, len(facts.modalities)),
    )


def as_printed(
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
        run_metrics={metric: value for (metric, name), value in found.items() if not name},
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


def against(
    item: SystemSummary, baseline: SystemSummary | None, every: Sequence[SystemSummary]
) -> SystemSummary:
    """Set a system against the baseline, and against the baseline at equal training cost.

    Args:
        item: The system.
        baseline: The baseline; None where there is none.
        every: Every system, longer baselines among them.

    Returns:
        The system with its differences; as it was where nothing can be paired.
    """
    if baseline is None or item.system == baseline.system or item.system.source:
        return item
    return replace(
        item,
        differences=_differences(item.headlines, baseline.headlines),
        gains=_differences(item.scores, baseline.scores),
        equal=_equal_cost(item, baseline, every),
    )


def _differences(
    ours: Mapping[str, Estimate], theirs: Mapping[str, Estimate]
) -> dict[str, Estimate]:
    both = {name: paired_difference(ours[name], theirs[name]) for name in ours if name in theirs}
    return {name: value for name, value in both.items() if value}


def _equal_cost(
    item: SystemSummary, baseline: SystemSummary, every: Sequence[SystemSummary]
) -> EqualCost | None:
    lengths = set(of_the_baseline([one.system for one in every], baseline.system))
    candidates = [one for one in every if one.system in lengths]
    chosen = choose(item.run_metrics, [one.run_metrics for one in candidates])
    if item.system in lengths or chosen is None:
        return None
    place, ratio, measured = chosen
    taken = candidates[place]
    return EqualCost(
        label=taken.label,
        ratio=ratio,
        cost_metric=measured,
        is_baseline=taken.system == baseline.system,
        differences=_differences(item.headlines, taken.headlines),
    )
