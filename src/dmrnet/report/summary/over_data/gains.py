"""Gains over the baseline at equal cost: on each data set, and over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import holm, paired_p
from dmrnet.report.statistics.over_data import Pooled, pool, sign_p
from dmrnet.report.summary.over_data.matching import match_systems
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

LEVEL = 0.05
"""Level of all tests."""


@dataclass(frozen=True, slots=True)
class GainOnData:
    """Gain of a method on one data set.

    Attributes:
        gain: Paired difference to the baseline at equal cost, by seed; positive is better.
        p: P value of the paired t test; None with one seed, or if all seeds differ alike.
        holm: The same after Holm's correction over the methods of the data set.
        error: Standard error of the mean, at least that of rounding to one test sample; None with
            one seed.
        against: Label of the baseline's training.
        ratio: Its cost over that of the method.
        reached: Whether the costs are equal; if not, no training of the baseline costs as much.
    """

    gain: Estimate
    p: float | None
    holm: float | None
    error: float | None
    against: str
    ratio: float
    reached: bool

    @property
    def beyond_chance(self) -> bool:
        """Whether the corrected test rejects that there is no difference."""
        return self.holm is not None and self.holm < LEVEL


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of a method in one headline over several data sets.

    Attributes:
        label: Label of the method's system.
        by_data: Its gain on each data set.
        pooled: Mean gain over data sets, by a random-effects model; None with fewer than two.
        holm: Its p value after Holm's correction over the methods.
    """

    label: str
    by_data: Mapping[str, GainOnData]
    pooled: Pooled | None
    holm: float | None = None

    @property
    def beyond_chance(self) -> bool:
        """Whether the corrected test rejects that there is no difference over data sets."""
        return self.holm is not None and self.holm < LEVEL

    @property
    def wins(self) -> int:
        """Number of data sets with a gain."""
        return sum(one.gain.mean > 0 for one in self.by_data.values())

    @property
    def losses(self) -> int:
        """Number of data sets with a loss."""
        return sum(one.gain.mean < 0 for one in self.by_data.values())

    @property
    def sign_p(self) -> float | None:
        """P value of the sign test over data sets."""
        return sign_p(self.wins, self.losses)

    @property
    def better_on(self) -> list[str]:
        """Data sets with a gain beyond chance after correction."""
        return [k for k, one in self.by_data.items() if one.beyond_chance and one.gain.mean > 0]

    @property
    def worse_on(self) -> list[str]:
        """Data sets with a loss beyond chance after correction."""
        return [k for k, one in self.by_data.items() if one.beyond_chance and one.gain.mean < 0]


def gains_over_data(
    summaries: Sequence[DataSummary],
    headline: str = "average",
    names: Mapping[System, str] | None = None,
    included: Callable[[str], bool] = lambda label: True,
) -> tuple[Gain, ...]:
    """Return the gains of every method over the baseline at equal cost, the largest mean first.

    Args:
        summaries: Summaries of the data sets; the first score of each counts.
        headline: ``average``, ``worst``, ``full`` or ``single``.
        names: Custom names of some systems.
        included: Whether a system of a label is one of the compared methods. Holm's corrections
            are over these, on each data set and over data sets.
    """
    by_label: dict[str, dict[str, GainOnData]] = {}
    for dataset, (summary, systems) in match_systems(summaries, names).items():
        differences = {
            label: one
            for label, item in systems.items()
            if included(label) and (one := _gain(summary, item, headline)) is not None
        }
        corrected = holm({label: one.p for label, one in differences.items() if one.p is not None})
        for label, one in differences.items():
            of_data = by_label.setdefault(label, {})
            of_data[dataset] = replace(one, holm=corrected.get(label))
    gains = [Gain(label, of_data, _pooled(of_data)) for label, of_data in by_label.items()]
    corrected = holm({gain.label: gain.pooled.p for gain in gains if gain.pooled})
    gains = [replace(gain, holm=corrected.get(gain.label)) for gain in gains]
    return tuple(sorted(gains, key=lambda gain: -_mean(gain)))


def _gain(summary: DataSummary, item: SystemSummary, headline: str) -> GainOnData | None:
    if item.equal is None or headline not in item.equal.differences:
        return None
    difference = item.equal.differences[headline]
    sign = -1 if summary.score.lower_is_better else 1
    gain = Estimate(difference.seeds, tuple(sign * value for value in difference.values))
    return GainOnData(
        gain=gain,
        p=paired_p(gain),
        holm=None,
        error=standard_error(gain, summary.samples),
        against=item.equal.label,
        ratio=item.equal.ratio,
        reached=item.equal.reached,
    )


def standard_error(gain: Estimate, samples: int) -> float | None:
    """Return the standard error over seeds, at least that of rounding a score to one sample.

    Returns:
        The standard error; None with one seed.

    Example:
        >>> standard_error(Estimate.of({0: 0.5, 1: 0.5, 2: 0.5}), 100) == 0.01 / 36**0.5
        True
    """
    least = 1 / max(samples, 1) / math.sqrt(12 * len(gain.seeds))
    return None if gain.se is None else max(gain.se, least)


def _pooled(by_data: Mapping[str, GainOnData]) -> Pooled | None:
    known = [(one.gain.mean, one.error) for one in by_data.values() if one.error is not None]
    return pool([mean for mean, _ in known], [error for _, error in known])


def _mean(gain: Gain) -> float:
    if gain.pooled is not None:
        return gain.pooled.mean
    return sum(one.gain.mean for one in gain.by_data.values()) / len(gain.by_data)
