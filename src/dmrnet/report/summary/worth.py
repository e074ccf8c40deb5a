"""Worth of each modality to a system, and the score to expect when modalities fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.failures import (
    COIN,
    MOST_MODALITIES,
    expected_of_sizes,
    mean_by_size,
    shapley_values,
)
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

FAILURES = tuple(percent / 100 for percent in range(0, 100, 10))
"""Probabilities, the same for every modality, at which the score is drawn."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Figures of a system that follow from its scores of all combinations.

    Attributes:
        label: The system.
        values: Shapley value of each modality, positive if it helps; they add up to the score with
            all, or where lower is better to what that is below `without_any`.
        expected: Score to expect at each of `FAILURES`.
    """

    label: str
    values: Mapping[str, Estimate]
    expected: tuple[Estimate, ...]


def without_any(summary: DataSummary) -> float | None:
    """Return the score that counts as that of no modality: 0, or an error where lower is better.

    Of ACER this is `COIN`; of numbers and ranks, the error of the best constant on the samples with
    every modality, None where rows do not have it.
    """
    score = summary.score
    if not score.lower_is_better:
        return 0.0
    return COIN if score.rate else summary.constants.get(summary.full)


def worth_of(summary: DataSummary) -> list[Worth]:
    """Return the systems whose every combination is scored, for 2 to 10 modalities.

    None where what no modality at all would score is not known.
    """
    nothing = without_any(summary)
    if nothing is None or not 2 <= len(summary.modalities) <= MOST_MODALITIES:
        return []
    worths = [_worth(item, summary, nothing) for item in summary.systems]
    return [one for one in worths if one is not None]


def _worth(item: SystemSummary, summary: DataSummary, nothing: float) -> Worth | None:
    names, lower = summary.modalities, summary.score.lower_is_better
    by_seed = {frozenset(members(name)): value.by_seed for name, value in item.scores.items()}
    seeds = set(item.seeds).intersection(*by_seed.values())
    if len(by_seed) < 2 ** len(names) - 1 or not seeds:
        return None
    gains: dict[int, dict[str, float]] = {}
    by_size: dict[int, list[float]] = {}
    for seed in sorted(seeds):
        table = {seen: scores[seed] for seen, scores in by_seed.items()}
        gained = {seen: nothing - score if lower else score for seen, score in table.items()}
        gains[seed] = shapley_values(gained.__getitem__, names)
        by_size[seed] = mean_by_size(table.__getitem__, names)
    expected = (
        {s: expected_of_sizes(of, fails) for s, of in by_size.items()} for fails in FAILURES
    )
    return Worth(
        item.label,
        {name: Estimate.of({seed: of[name] for seed, of in gains.items()}) for name in names},
        tuple(map(Estimate.of, expected)),
    )
