"""One system summarised over its seeds and compared with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dmrnet.report.records.combinations import members
from dmrnet.report.records.metrics import COMPLETE, Score
from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate, average, paired_difference
from dmrnet.report.summary.equal_cost import EqualCost, choose, trainings_of
from dmrnet.report.summary.hardness import Hardness, hardness_of
from dmrnet.report.summary.row_index import RowIndex


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """One system on one data set.

    Attributes:
        system: The method with its recipe and settings.
        label: Its name on the page.
        seeds: Seeds in ascending order; empty for a published system without seeds.
        scores: Score of each combination that has a value.
        headlines: The main numbers, without undefined ones: ``average`` over the compared
            combinations; ``worst`` of them in each seed; ``full``, all modalities; ``single``, the
            average over single modalities; ``complete``, the average over the samples that have
            every modality, if some lack one.
        worst: Compared combination with the worst mean; None if nothing is compared.
        run_metrics: Metrics of whole runs: ``parameters``, ``train_seconds`` and the like.
        hardness: Mining statistics; None if nothing was mined.
        differences: Paired difference of each headline to the baseline; empty for the baseline.
        gains: Paired difference of each combination to the baseline; empty for the baseline.
        equal: Comparison with the baseline at equal training cost; None without a baseline or
            known costs, and for the baseline trained for any length.
    """

    system: System
    label: str
    seeds: tuple[int, ...]
    scores: Mapping[str, Estimate]
    headlines: Mapping[str, Estimate]
    worst: str | None
    run_metrics: Mapping[str, Estimate]
    hardness: Hardness | None
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    gains: Mapping[str, Estimate] = field(default_factory=dict)
    equal: EqualCost | None = None


def summarise_system(
    index: RowIndex,
    system: System,
    label: str,
    score: Score,
    compared: Sequence[str],
    compared_complete: Sequence[str],
) -> SystemSummary:
    """Summarise a system over its seeds.

    A published system has the average that is printed, and numbers that depend on all compared
    combinations only if all of them are published. Averages are over the compared combinations,
    those with a value in every run, on all samples or on those that have every modality.
    """
    if system.source:
        numbers = {key[1:]: value for key, value in index.published.items() if key[0] == system}
        compared_complete = ()
    else:
        numbers = {
            key[1:]: Estimate.of(value) for key, value in index.scores.items() if key[0] == system
        }
    scores = {name: value for (metric, name), value in numbers.items() if metric == score.name}
    printed_average = scores.pop("", None)
    seeds = index.seeds.get((system, score.name)) or {s for v in scores.values() for s in v.seeds}
    compared = compared if all(name in scores for name in compared) else ()
    complete = [numbers.get((score.name + COMPLETE, name)) for name in compared_complete]
    headlines = {
        "average": printed_average or average([scores[name] for name in compared]),
        "worst": _worst_of_each_seed([scores[name] for name in compared], score),
        "full": scores.get("+".join(index.modalities)),
        "single": average([scores[name] for name in compared if len(members(name)) == 1]),
        "complete": average([value for value in complete if value]),
    }
    run_metrics = {
        metric: Estimate.of(values)
        for (owner, metric), values in index.run_metrics.items()
        if owner == system
    }
    return SystemSummary(
        system=system,
        label=label,
        seeds=tuple(sorted(seeds)),
        scores=scores,
        headlines={name: value for name, value in headlines.items() if value},
        worst=max(compared, key=lambda name: score.error(scores[name].mean), default=None),
        run_metrics=run_metrics
        | {metric: value for (metric, name), value in numbers.items() if not name},
        hardness=hardness_of(index.mining.get(system, {}), scores, score, len(index.modalities)),
    )


def _worst_of_each_seed(estimates: Sequence[Estimate], score: Score) -> Estimate | None:
    if not estimates:
        return None
    if not any(item.seeds for item in estimates):
        return max(estimates, key=lambda item: score.error(item.mean))
    tables = [item.by_seed for item in estimates]
    worst = max if score.lower_is_better else min
    return Estimate.of({seed: worst(table[seed] for table in tables) for seed in tables[0]})


def compare(
    item: SystemSummary, baseline: SystemSummary | None, every: Sequence[SystemSummary]
) -> SystemSummary:
    """Compare a system with the baseline, and with it at equal training cost, one of `every`.

    Returns:
        The system with its differences; unchanged if it is the baseline or published.
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
    trainings = trainings_of(baseline.system, [one.system for one in every])
    candidates = [one for one in every if one.system in trainings]
    chosen = choose(item.run_metrics, [one.run_metrics for one in candidates])
    if item.system in trainings or chosen is None:
        return None
    index, ratio, cost_metric = chosen
    equal = candidates[index]
    return EqualCost(
        label=equal.label,
        ratio=ratio,
        cost_metric=cost_metric,
        is_baseline=equal.system == baseline.system,
        differences=_differences(item.headlines, equal.headlines),
    )
