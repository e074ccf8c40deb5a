"""The baseline at equal training cost: the gain of a method beyond that of longer training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate

SLACK = 0.95
"""Smallest ratio of costs that counts as equal: times vary by a few percent between runs."""

_COSTS = ("train_cpu_seconds", "train_seconds", "train_samples")
"""Measures of cost; first the one that varies least on a shared machine, last one always known."""


@dataclass(frozen=True, slots=True)
class EqualCost:
    """Comparison of a method with the baseline trained at equal cost.

    Attributes:
        label: Label of the baseline's system.
        ratio: Its cost divided by the method's, from means over seeds.
        cost_metric: Measure of cost: ``train_cpu_seconds``; if unknown ``train_seconds`` or
            ``train_samples``.
        is_baseline: Whether it is the plain baseline itself.
        differences: Paired difference of each of the method's headlines to it.
    """

    label: str
    ratio: float
    cost_metric: str
    is_baseline: bool
    differences: Mapping[str, Estimate]

    @property
    def reached(self) -> bool:
        """Whether the costs are equal; if not, this is the longest training of the baseline."""
        return self.ratio >= SLACK


def trainings_of(baseline: System, systems: Iterable[System]) -> list[System]:
    """Return the systems that are the baseline trained for any length.

    Example:
        >>> from dmrnet.report.records.systems import system
        >>> plain, longer, other = (
        ...     system("sf-md", "best", {}),
        ...     system("sf-md", "best", {"max_epochs": 90}),
        ...     system("sf-md", "best", {"lr": 1}),
        ... )
        >>> trainings_of(plain, [plain, longer, other]) == [plain, longer]
        True
    """
    lengths = ("max_epochs", "stretch", "epochs")

    def without_length(item: System) -> System:
        return replace(item, settings=tuple(p for p in item.settings if p[0] not in lengths))

    return [item for item in systems if without_length(item) == without_length(baseline)]


def choose(
    ours: Mapping[str, Estimate], theirs: Sequence[Mapping[str, Estimate]]
) -> tuple[int, float, str] | None:
    """Choose the cheapest candidate that costs at least `SLACK` as much, or else the dearest.

    Costs are metrics of whole runs: of the method, and of each candidate.

    Returns:
        Index of the candidate, its cost divided by the method's, and the measure of cost; None if
        no cost is known.

    Example:
        >>> def metrics(seconds):
        ...     return {"train_seconds": Estimate.of({0: seconds})}
        >>> choose(metrics(10.0), [metrics(6.0), metrics(30.0), metrics(12.0)])
        (2, 1.2, 'train_seconds')
    """
    for metric in _COSTS:
        cost = ours.get(metric)
        known = [(index, item[metric]) for index, item in enumerate(theirs) if metric in item]
        if cost is None or cost.mean <= 0 or not known:
            continue
        ratios = [(item.mean / cost.mean, index) for index, item in known]
        equal = [pair for pair in ratios if pair[0] >= SLACK]
        ratio, index = min(equal) if equal else max(ratios)
        return index, ratio, metric
    return None
