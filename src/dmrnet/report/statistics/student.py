"""Student's t distribution, so that a report needs no scipy.

Both functions rest on the regularised incomplete beta function, taken from its continued fraction
(Abramowitz and Stegun, 26.5.8 and 26.7.1).
"""

from __future__ import annotations

import math

_TINY = 1e-300
_ENOUGH = 1e-15
_MOST_STEPS = 10_000


def two_sided_p(t: float, freedom: int) -> float:
    """Return how likely a t at least as far from 0 is, where the true mean is 0.

    Args:
        t: The statistic.
        freedom: Degrees of freedom, 1 or more.

    Raises:
        ValueError: If there is no degree of freedom.

    Example:
        >>> round(two_sided_p(2.776, 4), 3)
        0.05
    """
    if freedom < 1:
        raise ValueError(f"Expected 1 degree of freedom or more, came {freedom}.")
    if math.isinf(t):
        return 0.0
    whole = freedom + t * t
    return _incomplete_beta(freedom / whole, t * t / whole, freedom / 2, 0.5)


def times_se(freedom: int, level: float = 0.95) -> float:
    """Return how many standard errors an interval reaches to either side.

    Args:
        freedom: Degrees of freedom, 1 or more.
        level: How often such intervals hold the true mean.

    Raises:
        ValueError: If there is no degree of freedom, or the level is not between 0 and 1.

    Example:
        >>> round(times_se(2), 2), round(times_se(4), 2)
        (4.3, 2.78)
    """
    if not 0 < level < 1:
        raise ValueError(f"Expected a level between 0 and 1, came {level:g}.")
    # The p falls as t rises: first a bound that is too far, then halving.
    low, high = 0.0, 2.0
    while two_sided_p(high, freedom) > 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if two_sided_p(middle, freedom) > 1 - level else (low, middle)
    return (low + high) / 2


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """Return I_x(a, b) for x between 0 and 1; ``rest`` is 1 - x, with all of its digits."""
    if x <= 0 or rest <= 0:
        return float(x > 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(rest, x, b, a)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    )
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction from its front (the method of Lentz)."""
    upper, lower = 1.0, 1 - (a + b) * x / (a + 1)
    lower = 1 / (lower if abs(lower) > _TINY else _TINY)
    value = lower
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            lower = 1 + part * lower
            lower = 1 / (lower if abs(lower) > _TINY else _TINY)
            upper = 1 + part / upper
            upper = upper if abs(upper) > _TINY else _TINY
            value *= lower * upper
        if abs(lower * upper - 1) < _ENOUGH:
            break
    return value
