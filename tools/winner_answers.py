"""Answers in sentences, made from rows: which method to take, and when the tool does not pay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval
from dmrnet.report.statistics.over_data import Pooled
from dmrnet.report.summary.over_data.gains import Gain
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary


@dataclass(frozen=True, slots=True)
class Choice:
    """The method to take.

    Attributes:
        label: Label of the method with the largest mean gain in the average among those whose gain
            is beyond chance; if there is none, of the gain with the smallest p value. Only methods
            that were run on most data sets count.
        sure: Whether its gain in the average, over data sets, is beyond chance after correction.
        gains: Its gains by headline.
        methods: Number of methods that Holm's correction is over, on few data sets or on many.
    """

    label: str
    sure: bool
    gains: Mapping[str, Gain]
    methods: int


def choose(gains: Mapping[str, Sequence[Gain]]) -> Choice | None:
    """Choose the method to take from the gains by headline; None without gains over data sets."""
    sets = max((len(gain.by_data) for gain in gains.get("average", ())), default=0)
    known = [
        gain
        for gain in gains.get("average", ())
        if gain.pooled is not None and 2 * len(gain.by_data) > sets
    ]
    if not known:
        return None
    sure = [gain for gain in known if gain.beyond_chance and _mean(gain) > 0]
    positive = [gain for gain in known if _mean(gain) > 0]
    best = max(sure, key=_mean) if sure else min(positive or known, key=_p)
    mine = {key: g for key, of in gains.items() for g in of if g.label == best.label}
    corrected = sum(gain.holm is not None for gain in gains["average"])
    return Choice(best.label, bool(sure), mine, corrected)


def which(choice: Choice, baseline: str) -> str:
    """Return which method to take, with its gains over data sets."""
    sets, gained = len(choice.gains["average"].by_data), gains_of(choice)
    if choice.sure:
        start = f"**Take `{choice.label}`**: over {sets} data sets it gains {gained}"
    else:
        start = (
            f"**No method gains more than chance over `{baseline}` trained as long**, over {sets} "
            f"data sets together; the closest is `{choice.label}` with {gained}"
        )
    over = f" over `{baseline}` trained as long" if choice.sure else ""
    return (
        f"{start}{over}. The first p of each bracket is after Holm's correction over "
        f"{choice.methods} methods."
    )


def behind(gains: Sequence[Gain], baseline: str) -> str:
    """Return which methods are behind the baseline beyond chance, nothing if none is."""
    worse = [gain for gain in gains if gain.beyond_chance and _mean(gain) < 0]
    listed = [f"`{one.label}` ({_pooled(one)}, p {fmt.probability(one.holm)})" for one in worse]
    if not listed:
        return ""
    return f" Behind `{baseline}` beyond chance in the average: {fmt.listed(listed)}."


def gains_of(choice: Choice) -> str:
    """Return the gains of a method in the average and the worst combination, with tests."""
    average, worst = choice.gains["average"], choice.gains.get("worst")
    text = f"{_pooled(average)} points in the average over combinations ({_tests(average)})"
    if worst is not None:
        text += f" and {_pooled(worst)} in the worst combination ({_tests(worst)})"
    return text


def _tests(gain: Gain) -> str:
    """Return the tests of a mean gain and of its signs."""
    signs = f"better on {gain.wins}, sign test p {fmt.probability(gain.sign_p)}"
    return f"p {fmt.probability(gain.holm)}; {signs}"


def where(gains: Mapping[str, Gain]) -> str:
    """Return on which data sets a method is better or worse beyond chance."""
    parts: list[str] = []
    for headline, words in (("average", "the average"), ("worst", "the worst combination")):
        gain = gains.get(headline)
        if gain is None:
            continue
        better, sets = gain.better_on, len(gain.by_data)
        of = "" if parts else f" of `{gain.label}`"
        part = f"{words}{of} is better beyond chance on {len(better)} of {sets} sets"
        part += f" ({_listed(better)})" if better else ""
        part += f" and worse on {_listed(gain.worse_on)}" if gain.worse_on else ""
        parts.append(part)
    return f"**Set by set**: {'; '.join(parts)}."


def with_all(gain: Gain, on_all: Gain, baseline: str) -> str:
    """Return what a method costs or gains where no modality is missing.

    Args:
        gain: Gain over data sets.
        on_all: Gain on every set, versions of data sets too.
        baseline: Label of the baseline.
    """
    below = [name for name, one in on_all.by_data.items() if _high(one.gain) < 0]
    text = (
        f"**With all modalities** the gain of `{gain.label}` over `{baseline}` trained as long is "
        f"{_pooled(gain)}"
    )
    if not below:
        return f"{text}, and on no set is it below by more than its interval."
    return f"{text}; below by more than its interval on {_listed(below)}."


@dataclass(frozen=True, slots=True)
class Cheap:
    """The best cheap baseline of a data set next to the chosen method.

    Attributes:
        label: The cheap baseline with the best average.
        gains: Gain of the chosen method over it, by headline, paired by seed.
        cost: Its CPU time over that of the chosen method; None if unknown.
    """

    label: str
    gains: Mapping[str, Estimate]
    cost: float | None

    @property
    def does_as_well(self) -> bool:
        """Whether the method's gain in the average is not above 0 by more than its interval."""
        gain = self.gains["average"]
        ends = interval(gain)
        return gain.mean <= 0 if ends is None else ends[0] <= 0


def cheap_next_to(summary: DataSummary, label: str, cheap: Sequence[str]) -> Cheap | None:
    """Compare a method with the best cheap baseline of a data set; None if either has no rows."""
    by_label = {item.label: item for item in summary.systems}
    ours = by_label.get(label)
    theirs = [by_label[name] for name in cheap if name in by_label]
    theirs = [item for item in theirs if "average" in item.headlines]
    if ours is None or not theirs or "average" not in ours.headlines:
        return None
    sign = -1 if summary.score.lower_is_better else 1
    best = max(theirs, key=lambda item: sign * item.headlines["average"].mean)
    gains = {}
    for name, value in ours.headlines.items():
        other = best.headlines.get(name)
        difference = paired_difference(value, other) if other else None
        if difference is not None:
            values = tuple(sign * one for one in difference.values)
            gains[name] = Estimate(difference.seeds, values)
    if "average" not in gains:
        return None
    return Cheap(best.label, gains, _cost_ratio(ours, best))


def when_not(label: str, cheap: Mapping[str, Cheap]) -> str:
    """Return on which data sets a cheap baseline does as well as the method, and at which cost."""
    if not cheap:
        return "**When it does not pay**: the cheap baselines have no rows yet."
    equal = [name for name, one in cheap.items() if one.does_as_well]
    text = "**When it does not pay**: "
    if equal:
        labels = _listed(dict.fromkeys(cheap[name].label for name in equal), code=True)
        text += f"on {_listed(equal)} a cheap baseline ({labels}) is level or better in the average"
        ahead = max(-100 * cheap[name].gains["average"].mean for name in equal)
        text += f" (by up to {ahead:.1f} points)" if ahead >= 0.05 else ""
        costs = [100 * cost for name in equal if (cost := cheap[name].cost) is not None]
        text += f", at {_span(costs, '{:.2g}')} % of the CPU time" if costs else ""
    else:
        text += f"on none of {len(cheap)} sets is a cheap baseline level in the average"
    others = [one for name, one in cheap.items() if name not in equal]
    if others:
        means = [100 * one.gains["average"].mean for one in others]
        text += f"; {'elsewhere ' if equal else ''}`{label}` gains {_span(means, '{:.1f}')} points"
        worst = [100 * one.gains["worst"].mean for one in others if "worst" in one.gains]
        text += f", and {_span(worst, '{:.1f}')} in the worst combination" if worst else ""
    return f"{text}."


def instead(longest: str, pooled: Mapping[str, Pooled], baseline: str) -> str:
    """Return what longer training of the baseline gains over its default length.

    Args:
        longest: Label of its longest training.
        pooled: Gain over the default length over data sets, by headline.
        baseline: Label of the baseline.
    """
    average, worst = pooled["average"], pooled.get("worst")
    text = (
        f"**Longer training helps by itself**: `{longest}` gains {_mean_and_ends(average)} over "
        f"`{baseline}` of default length in the average"
    )
    text += f" and {_mean_and_ends(worst)} in the worst combination" if worst else ""
    return f"{text}, so compare at equal cost."


def _cost_ratio(ours: SystemSummary, theirs: SystemSummary) -> float | None:
    mine, other = (item.run_metrics.get("train_cpu_seconds") for item in (ours, theirs))
    if mine is None or other is None or mine.mean <= 0:
        return None
    return other.mean / mine.mean


def _mean(gain: Gain) -> float:
    assert gain.pooled is not None
    return gain.pooled.mean


def _p(gain: Gain) -> float:
    assert gain.pooled is not None
    return gain.pooled.p


def _high(gain: Estimate) -> float:
    ends = interval(gain)
    return 0.0 if ends is None else ends[1]


def _pooled(gain: Gain) -> str:
    if gain.pooled is None:
        (only,) = gain.by_data.values()
        return fmt.difference(only.gain)
    return _mean_and_ends(gain.pooled)


def _mean_and_ends(pooled: Pooled) -> str:
    return f"{fmt.points(pooled.mean)} {fmt.ends((pooled.low, pooled.high))}"


def _span(values: Sequence[float], form: str) -> str:
    """Write a range of numbers, or one number.

    >>> _span([1.26, 3.0], "{:.1f}"), _span([2.0], "{:.2g}")
    ('1.3 to 3.0', '2')
    """
    low, high = form.format(min(values)), form.format(max(values))
    text = low if low == high else f"{low} to {high}"
    return text.replace("-", fmt.MINUS)


def _listed(names: Sequence[str] | Mapping[str, None], *, code: bool = False) -> str:
    return fmt.listed([f"`{name}`" if code else name for name in names])
