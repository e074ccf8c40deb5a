"""Numbers written for a reader: rates in percent, rounded to significant digits."""

from __future__ import annotations

from collections.abc import Callable

from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import interval

NOTHING = "-"
"""Placeholder for a missing number."""

MINUS = "\N{MINUS SIGN}"


def percent(value: float, digits: int = 2) -> str:
    """Write a fraction in percent, without the percent sign.

    Example:
        >>> percent(0.98765)
        '98.77'
    """
    return _signless_zero(f"{100 * value:.{digits}f}")


def points(value: float, digits: int = 2) -> str:
    """Write a difference of fractions in percentage points, with its sign.

    Example:
        >>> points(0.0123), points(-0.00001)
        ('+1.23', '0.00')
    """
    text = _signless_zero(f"{100 * value:+.{digits}f}")
    return text.replace("-", MINUS)


def estimate(item: Estimate | None, digits: int = 2) -> str:
    """Write mean ± standard error in percent; the mean alone with one seed.

    Alone too where all seeds gave the same, which is no certainty.

    Example:
        >>> estimate(Estimate.of({0: 0.5, 1: 0.6})), estimate(Estimate.of({0: 0.1, 1: 0.1}))
        ('55.00 ± 5.00', '10.00')
    """
    if item is None:
        return NOTHING
    error = "" if item.se is None or item.is_constant else f" ± {percent(item.se, digits)}"
    return percent(item.mean, digits) + error


def difference(item: Estimate | None, digits: int = 2) -> str:
    """Write a difference in percentage points with its 95% interval over seeds.

    Empty for None; without the interval for one seed.

    Example:
        >>> difference(Estimate.of({0: 0.01}))
        '+1.00'
        >>> difference(Estimate.of({0: 0.01, 1: 0.02, 2: 0.03}))
        '+2.00 [−0.48, +4.48]'
    """
    if item is None:
        return ""
    return f"{points(item.mean, digits)} {ends(interval(item), digits)}".rstrip()


def ends(pair: tuple[float, float] | None, digits: int = 2, over: str = "seeds") -> str:
    """Write the ends of an interval of differences in percentage points; empty for None.

    An interval without width is no certainty: every seed, or draw, gave the same.

    Example:
        >>> ends((-0.0023, 0.0101)), ends((0.0, 0.0))
        ('[−0.23, +1.01]', '[in all seeds]')
    """
    if pair is None:
        return ""
    low, high = (points(end, digits) for end in pair)
    return f"[in all {over}]" if low == high else f"[{low}, {high}]"


def probability(p: float | None) -> str:
    """Write a p value with two significant digits, three decimals at most.

    Example:
        >>> probability(0.0412), probability(0.3), probability(0.00002), probability(None)
        ('0.041', '0.30', '<0.001', '-')
    """
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def by_seed(item: Estimate, write: Callable[[float], str] = percent) -> str:
    """Write the number of each seed.

    Example:
        >>> by_seed(Estimate.of({0: 0.5, 1: 0.6}))
        'seed 0: 50.00, seed 1: 60.00'
        >>> by_seed(Estimate.of({0: 0.01, 3: -0.002}), points)
        'seed 0: +1.00, seed 3: −0.20'
    """
    numbers = (f"seed {seed}: {write(value)}" for seed, value in item.by_seed.items())
    return ", ".join(numbers) if item.seeds else "as printed"


def count(value: float) -> str:
    """Write a large number with a unit.

    Example:
        >>> count(950), count(12_345), count(11_180_000)
        ('950', '12.3 k', '11.2 M')
    """
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e3 if size == 1e4 else size):.1f}{unit}"
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds.

    Example:
        >>> duration(8.24), duration(75), duration(7500)
        ('8.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def listed(names: list[str]) -> str:
    """Join names as in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shortened(text: str, length: int = 40) -> str:
    """Cut a long text and end it with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _signless_zero(text: str) -> str:
    return text.lstrip("+-") if not text.strip("+-0.") else text
