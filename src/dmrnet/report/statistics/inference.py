"""What differences by seed allow to be said: an interval first, then a test."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.student import times_se, two_sided_p

LEVEL = 0.95
"""How often the intervals of a report hold what they are about."""


def interval(item: Estimate, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the t interval of a mean over seeds.

    Args:
        item: A difference paired by seed, or any number of each seed.
        level: How often such intervals hold the true mean, were the numbers of the seeds
            distributed normally.

    Returns:
        Its ends, or None with fewer than two seeds.

    Example:
        >>> low, high = interval(Estimate.of({0: 1.0, 1: 2.0, 2: 3.0}))
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
    """
    count = len(item.seeds)
    if count < 2 or item.se is None:
        return None
    half = times_se(count - 1, level) * item.se
    return item.mean - half, item.mean + half


def paired_p(difference: Estimate) -> float | None:
    """Return the p of the paired t test that the true difference is 0.

    Args:
        difference: The difference within each seed.

    Returns:
        The two-sided p; None with fewer than two seeds, or where all seeds differ by the same
        amount, which a t test cannot judge.

    Example:
        >>> round(paired_p(Estimate.of({0: 1.0, 1: 2.0, 2: 3.0})), 4)
        0.0742
    """
    count = len(difference.seeds)
    se = difference.se
    # Equal differences of fractions differ in their last bits.
    if count < 2 or se is None or se <= 1e-12 * max(1.0, abs(difference.mean)):
        return None
    return two_sided_p(difference.mean / se, count - 1)


def holm(found: Mapping[str, float]) -> dict[str, float]:
    """Correct several p values for being several, by Holm's steps.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none
    becomes smaller than one before it, nor larger than 1. The chance that any true null is
    rejected at a threshold is then at most that threshold, however the tests depend on each other.

    Args:
        found: The p value of each test.

    Returns:
        The corrected ones, in the same order.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected: dict[str, float] = {}
    reached = 0.0
    for place, name in enumerate(sorted(found, key=lambda name: found[name])):
        reached = max(reached, min(1.0, found[name] * (len(found) - place)))
        corrected[name] = reached
    return {name: corrected[name] for name in found}


def smallest_sign_p(seeds: int) -> float:
    """Return the smallest two-sided p that so many seeds can reach without a normal distribution.

    If signs are as likely plus as minus, all of them are alike in 2 of 2^n cases. A t test may say
    less than that, but only because it takes the differences to be distributed normally.

    Raises:
        ValueError: If there is no seed.

    Example:
        >>> smallest_sign_p(3), smallest_sign_p(6)
        (0.25, 0.03125)
    """
    if seeds < 1:
        raise ValueError(f"Expected one seed or more, came {seeds}.")
    return math.ldexp(1.0, 1 - seeds)


def fewest_seeds(p: float) -> int:
    """Return the number of seeds from which signs alone can reach a p.

    Example:
        >>> fewest_seeds(0.05)
        6
    """
    seeds = 1
    while smallest_sign_p(seeds) > p:
        seeds += 1
    return seeds
