"""Numbers over seeds: mean, standard error, paired difference, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number for each seed, or one published number without seeds.

    Attributes:
        seeds: Seeds in ascending order; empty for a number that is published without seeds.
        values: Number of each seed, or the published number.
        printed_se: Published standard error; None if there is none or if there are seeds.

    Example:
        >>> estimate = Estimate.of({0: 1.0, 1: 2.0, 2: 6.0})
        >>> estimate.mean, round(estimate.se, 4)
        (3.0, 1.5275)
    """

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    printed_se: float | None = field(default=None, repr=False)

    @classmethod
    def as_printed(cls, value: float, se: float | None = None) -> Estimate:
        """Make an estimate of one published number without seeds, which is never paired."""
        return cls((), (value,), se)

    @classmethod
    def of(cls, by_seed: Mapping[int, float]) -> Estimate:
        """Make an estimate from ``{seed: number}``.

        Raises:
            ValueError: If there is no seed.
        """
        if not by_seed:
            raise ValueError("expected the number of at least one seed, got none")
        seeds = tuple(sorted(by_seed))
        return cls(seeds, tuple(by_seed[seed] for seed in seeds))

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.values) / len(self.values)

    @property
    def se(self) -> float | None:
        """Standard error of the mean (sample deviation, n - 1), or the published one, or None."""
        count = len(self.values)
        if count < 2:
            return self.printed_se
        mean = self.mean
        squares = math.fsum((value - mean) ** 2 for value in self.values)
        return math.sqrt(squares / (count - 1) / count)

    @property
    def is_constant(self) -> bool:
        """Whether two seeds or more all gave the same number, up to rounding.

        Example:
            >>> Estimate.of({0: 0.1 + 0.2, 1: 0.3}).is_constant, Estimate.of({0: 0.3}).is_constant
            (True, False)
        """
        slack = 1e-12 * max(1.0, max(map(abs, self.values)))
        return len(self.seeds) > 1 and max(self.values) - min(self.values) <= slack

    @property
    def by_seed(self) -> dict[int, float]:
        """Number of each seed; empty without seeds."""
        return dict(zip(self.seeds, self.values, strict=True)) if self.seeds else {}


def paired_difference(ours: Estimate, theirs: Estimate) -> Estimate | None:
    """Subtract seed by seed, over the seeds that both have; None if they share none.

    A seed fixes the order of the split, the initial weights and the masks, so the difference within
    a seed varies less than either number.

    Example:
        >>> paired_difference(Estimate.of({0: 3.0, 1: 5.0}), Estimate.of({1: 4.0, 2: 9.0}))
        Estimate(seeds=(1,), values=(1.0,))
    """
    first, second = ours.by_seed, theirs.by_seed
    shared = {seed: first[seed] - second[seed] for seed in first if seed in second}
    return Estimate.of(shared) if shared else None


def average(estimates: Sequence[Estimate]) -> Estimate | None:
    """Average several numbers within each seed, over the seeds that all of them have.

    The average of numbers without seeds is a number without seeds. None if there is nothing to
    average.
    """
    if not estimates:
        return None
    if not any(item.seeds for item in estimates):
        return Estimate.as_printed(math.fsum(item.mean for item in estimates) / len(estimates))
    tables = [item.by_seed for item in estimates]
    seeds = set.intersection(*(set(table) for table in tables))
    means = {seed: math.fsum(table[seed] for table in tables) / len(tables) for seed in seeds}
    return Estimate.of(means) if means else None


def spearman(first: Iterable[float], second: Iterable[float]) -> float | None:
    """Return Spearman's rank correlation; ties share their mean rank.

    Returns:
        The correlation; None with fewer than three pairs or if one side is constant.

    Example:
        >>> round(spearman([1, 2, 3, 4], [10, 30, 20, 40]), 3)
        0.8
    """
    from scipy.stats import rankdata

    ranks = rankdata([[*first], [*second]], axis=1)
    if ranks.shape[1] < 3 or (np.ptp(ranks, axis=1) == 0).any():
        return None
    return float(np.corrcoef(ranks)[0, 1])
