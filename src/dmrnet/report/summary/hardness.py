"""Whether the combinations that mining selects as hard are the ones with the worst scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from dmrnet.report.records.metrics import Score
from dmrnet.report.records.mining import MiningRecord
from dmrnet.report.statistics.estimates import Estimate, spearman


@dataclass(frozen=True, slots=True)
class Hardness:
    """Mining statistics of one system over its seeds, compared to its scores.

    Attributes:
        variance: Mean σ² of each combination in the kept epoch (Eq. 10); empty for a method
            without a distribution.
        loss: Mean task loss of each combination in the kept epoch.
        hard: Number of seeds whose hard set holds a combination, for those in any hard set.
        seeds: Number of seeds with statistics.
        worst: Combinations with the worst scores on the reported split, worst first; as many as
            there are modalities.
        variance_rank: Spearman's correlation of variance and error over the combinations: near 1 if
            a high variance means a hard combination, below 0 if it means an easy one; None if it is
            undefined.
        loss_rank: The same for the loss.
        combinations: Number of all combinations.
    """

    variance: Mapping[str, Estimate]
    loss: Mapping[str, Estimate]
    hard: Mapping[str, int]
    seeds: int
    worst: tuple[str, ...]
    variance_rank: float | None
    loss_rank: float | None
    combinations: int

    @property
    def agreement(self) -> int:
        """Number of combinations that are both mined and among the worst."""
        return len(set(self.mined) & set(self.worst))

    @property
    def mined(self) -> tuple[str, ...]:
        """Combinations in the hard set of at least half of the seeds."""
        return tuple(name for name, count in self.hard.items() if 2 * count >= self.seeds)


def hardness_of(
    statistics: Mapping[int, Sequence[MiningRecord]],
    scores: Mapping[str, Estimate],
    score: Score,
    modalities: int,
) -> Hardness | None:
    """Compare the statistics of a system's kept epochs, by seed, with the score of combinations.

    Returns:
        The comparison; None without statistics.
    """
    if not statistics:
        return None
    # Rounded, so that combinations of equal error tie rather than rank by the last bit.
    error = {name: round(score.error(item.mean), 12) for name, item in scores.items()}
    variance = _by_combination(statistics, "mean_variance")
    loss = _by_combination(statistics, "mean_loss")
    hard: Counter[str] = Counter()
    for item in chain.from_iterable(statistics.values()):
        hard[item.combination] += item.hard
    return Hardness(
        variance=variance,
        loss=loss,
        hard={name: count for name, count in hard.items() if count},
        seeds=len(statistics),
        worst=tuple(sorted(error, key=lambda name: (-error[name], name))[:modalities]),
        variance_rank=_rank(variance, error),
        loss_rank=_rank(loss, error),
        combinations=len(hard.keys() | error.keys()),
    )


def by_chance(mined: int, worst: int, among: int, agreement: int) -> tuple[float, float]:
    """Compare a hard set with one drawn at random (hypergeometric distribution).

    The numbers are those of combinations in the hard set, of the worst ones, of all, and in both.

    Returns:
        Mean agreement of a random hard set, and the probability that it is at least `agreement`.

    Example:
        >>> expected, p = by_chance(3, 3, 7, 2)
        >>> round(expected, 2), round(p, 2)
        (1.29, 0.37)
    """
    from scipy.stats import hypergeom

    return mined * worst / among, float(hypergeom.sf(agreement - 1, among, worst, mined))


def _by_combination(
    statistics: Mapping[int, Sequence[MiningRecord]], name: str
) -> dict[str, Estimate]:
    by_seed: dict[str, dict[int, float]] = {}
    for seed, items in statistics.items():
        for item in items:
            value = getattr(item, name)
            if value is not None:
                by_seed.setdefault(item.combination, {})[seed] = value
    return {combination: Estimate.of(values) for combination, values in by_seed.items()}


def _rank(estimates: Mapping[str, Estimate], error: Mapping[str, float]) -> float | None:
    both = [name for name in estimates if name in error]
    return spearman([estimates[name].mean for name in both], [error[name] for name in both])
