"""Intervals and tests of differences between systems, over seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from dmrnet.report.statistics.estimates import Estimate


def interval(item: Estimate, level: float = 0.95) -> tuple[float, float] | None:
    """Return the confidence interval of a mean over seeds, by Student's t.

    The level is its coverage if the numbers, such as differences by seed, are normally distributed.

    Returns:
        Lower and upper end; None with fewer than two seeds.

    Example:
        >>> low, high = interval(Estimate.of({0: 1.0, 1: 2.0, 2: 3.0}))
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
    """
    count = len(item.seeds)
    if count < 2 or item.se is None:
        return None
    half = t_quantile(count, level) * item.se
    return item.mean - half, item.mean + half


def t_quantile(seeds: int, level: float = 0.95) -> float:
    """Return the half-width of a t interval over seeds, in standard errors.

    Example:
        >>> round(t_quantile(3), 2), round(t_quantile(5), 2)
        (4.3, 2.78)
    """
    from scipy.special import stdtrit

    return float(stdtrit(seeds - 1, (1 + level) / 2))


def paired_p(difference: Estimate) -> float | None:
    """Return the two-sided p value of the paired t test that the true difference is 0.

    Returns:
        The p value; None with fewer than two seeds, or if all seeds differ by the same amount.

    Example:
        >>> round(paired_p(Estimate.of({0: 1.0, 1: 2.0, 2: 3.0})), 4)
        0.0742
    """
    from scipy.special import stdtr

    count = len(difference.seeds)
    se = difference.se
    # Equal differences of fractions may differ in their last bits.
    if count < 2 or se is None or se <= 1e-12 * max(1.0, abs(difference.mean)):
        return None
    return float(2 * stdtr(count - 1, -abs(difference.mean / se)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p values for multiple testing by Holm's method.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none
    becomes smaller than the one before it, nor larger than 1. This bounds the probability of
    rejecting any true null hypothesis, however the tests depend on each other.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}


def smallest_sign_p(seeds: int) -> float:
    """Return the smallest two-sided p value of a sign test over this number of seeds.

    If plus and minus are equally likely, all signs agree in 2 of 2^n cases. A t test can give a
    smaller p value only because it assumes normally distributed differences.

    Raises:
        ValueError: If the number of seeds is below 1.

    Example:
        >>> smallest_sign_p(3), smallest_sign_p(6)
        (0.25, 0.03125)
    """
    if seeds < 1:
        raise ValueError(f"expected one seed or more, got {seeds}")
    return math.ldexp(1.0, 1 - seeds)


def fewest_seeds(p: float) -> int:
    """Return the smallest number of seeds with which a sign test can reach a p value.

    Example:
        >>> fewest_seeds(0.05)
        6
    """
    return next(seeds for seeds in itertools.count(1) if smallest_sign_p(seeds) <= p)
