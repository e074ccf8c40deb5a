"""Statistics over data sets: ranks and their critical difference, a sign test, pooled differences.

Sources: Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, for
ranks and signs; DerSimonian and Laird (1986) with the interval of Knapp and Hartung (2003) for
differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dmrnet.report.statistics.inference import t_quantile


def friedman(averages: Sequence[float], datasets: int) -> tuple[float, float] | None:
    """Test whether all systems rank alike, by Friedman's test as Iman and Davenport correct it.

    Args:
        averages: Average rank of each system over the data sets.
        datasets: Number of data sets.

    Returns:
        The F statistic and its p value; None with fewer than two systems or data sets. F is
        infinite, and p 0, if all data sets rank the systems alike.

    Example:
        Four classifiers on 14 data sets (Demsar 2006, Section 3.2.2):

        >>> f, p = friedman([3.143, 2.000, 2.893, 1.964], 14)
        >>> round(f, 2), p < 0.05
        (3.69, True)
    """
    systems = len(averages)
    if systems < 2 or datasets < 2:
        return None
    from scipy.special import fdtrc

    squares = math.fsum(rank**2 for rank in averages) - systems * (systems + 1) ** 2 / 4
    chi = 12 * datasets / (systems * (systems + 1)) * squares
    most = datasets * (systems - 1)
    if chi >= most * (1 - 1e-12):
        return math.inf, 0.0
    f = (datasets - 1) * chi / (most - chi)
    return f, float(fdtrc(systems - 1, (systems - 1) * (datasets - 1), f))


def critical_difference(systems: int, datasets: int, level: float = 0.05) -> float:
    """Return the difference of two average ranks that is beyond chance, by Nemenyi's test.

    Raises:
        ValueError: If there are fewer than two systems, or no data set.

    Example:
        Demsar (2006), Section 3.2.2: four classifiers on 14 data sets, at .05 and at .10.

        >>> round(critical_difference(4, 14), 2), round(critical_difference(4, 14, 0.1), 2)
        (1.25, 1.12)
    """
    if systems < 2 or datasets < 1:
        raise ValueError(
            f"expected two systems and one data set or more, got {systems} and {datasets}"
        )
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - level, systems, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(systems * (systems + 1) / (6 * datasets))


def groups_within(averages: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return the largest groups of systems whose average ranks differ by less than a difference.

    Args:
        averages: Average ranks in ascending order.
        difference: Critical difference.

    Returns:
        First and last index of each group of two systems or more, in ascending order.

    Example:
        >>> groups_within([1.0, 1.5, 2.2, 4.0], 1.25)
        [(0, 2)]
    """
    groups: list[tuple[int, int]] = []
    for first, lowest in enumerate(averages):
        last = max(i for i, rank in enumerate(averages) if rank - lowest < difference or i == first)
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def sign_p(wins: int, losses: int) -> float | None:
    """Return the two-sided p value of the sign test over data sets; ties do not count.

    Returns:
        The p value; None without wins and losses.

    Example:
        >>> sign_p(8, 0), sign_p(2, 2), sign_p(0, 0)
        (0.0078125, 1.0, None)
    """
    trials, fewer = wins + losses, min(wins, losses)
    if not trials:
        return None
    as_extreme = sum(math.comb(trials, k) for k in range(fewer + 1))
    return min(1.0, math.ldexp(as_extreme, 1 - trials))


@dataclass(frozen=True, slots=True)
class Pooled:
    """A difference pooled over data sets, by a random-effects model.

    Attributes:
        mean: Estimated mean over all data sets like these.
        low: Lower end of its 95% interval.
        high: Upper end.
        p: Two-sided p value of its being 0.
        spread: Estimated standard deviation of the true differences between data sets.
    """

    mean: float
    low: float
    high: float
    p: float
    spread: float


def pool(means: Sequence[float], errors: Sequence[float]) -> Pooled | None:
    """Pool the differences on several data sets.

    The true difference varies between data sets by a variance (DerSimonian and Laird), and each
    is measured with a standard error. The interval is Student's t of Knapp and Hartung, whose
    standard error is not let below that of the weights (Roever et al., 2015).

    Args:
        means: Difference on each data set.
        errors: Its standard error, above 0.

    Returns:
        The estimate; None with fewer than two data sets.

    Raises:
        ValueError: If a standard error is not above 0.

    Example:
        Effects of coaching in eight schools (Rubin, 1981), which do not differ beyond chance:

        >>> pooled = pool([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])
        >>> round(pooled.mean, 1), pooled.spread
        (7.7, 0.0)
    """
    if not all(error > 0 for error in errors):
        raise ValueError(f"expected standard errors above 0, got {min(errors)}")
    count = len(means)
    if count < 2:
        return None
    from scipy.special import stdtr

    fixed = [error**-2 for error in errors]
    centre = _weighted(fixed, means)
    excess = math.fsum(w * (m - centre) ** 2 for w, m in zip(fixed, means, strict=True))
    scale = math.fsum(fixed) - math.fsum(w**2 for w in fixed) / math.fsum(fixed)
    variance = max(0.0, (excess - (count - 1)) / scale)
    weights = [1 / (error**2 + variance) for error in errors]
    mean = _weighted(weights, means)
    rest = math.fsum(w * (m - mean) ** 2 for w, m in zip(weights, means, strict=True))
    error = math.sqrt(max(1.0, rest / (count - 1)) / math.fsum(weights))
    half = t_quantile(count) * error
    p = float(2 * stdtr(count - 1, -abs(mean) / error))
    return Pooled(mean, mean - half, mean + half, p, math.sqrt(variance))


def _weighted(weights: Sequence[float], values: Sequence[float]) -> float:
    pairs = zip(weights, values, strict=True)
    return math.fsum(weight * value for weight, value in pairs) / math.fsum(weights)
