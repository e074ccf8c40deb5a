"""The baseline at equal training cost: what a method gains beyond what it costs to train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate

LENGTHS = frozenset({"max_epochs", "stretch", "epochs"})
"""Settings that make the same system train longer."""

SLACK = 0.95
"""Times differ by a few percent from run to run; a baseline this near is as costly."""

_COSTS = ("train_cpu_seconds", "train_seconds", "train_samples")
"""From the steadiest on a shared machine to what is always known."""


@dataclass(frozen=True, slots=True)
class EqualCost:
    """The baseline that cost as much as a method.

    Attributes:
        label: Its name.
        ratio: Its cost over the method's, means over seeds.
        cost_metric: What the cost is: ``train_cpu_seconds``; where that is not known
            ``train_seconds`` or ``train_samples``.
        is_baseline: Whether it is the plain baseline itself.
        differences: The method's headlines minus its, paired by seed.
    """

    label: str
    ratio: float
    cost_metric: str
    is_baseline: bool
    differences: Mapping[str, Estimate]

    @property
    def reached(self) -> bool:
        """Whether it cost as much; if not, it is the costliest there is."""
        return self.ratio >= SLACK


def of_the_baseline(systems: Iterable[System], baseline: System) -> list[System]:
    """Return the systems that are the baseline, trained for whatever length.

    Example:
        >>> from dmrnet.report.records.systems import system
        >>> plain, longer, other = (
        ...     system("sf-md", "best", {}),
        ...     system("sf-md", "best", {"max_epochs": 90}),
        ...     system("sf-md", "best", {"lr": 1}),
        ... )
        >>> of_the_baseline([plain, longer, other], plain) == [plain, longer]
        True
    """

    def but_length(item: System) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
        kept = tuple(pair for pair in item.settings if pair[0] not in LENGTHS)
        return item.method, item.recipe, item.source, kept

    return [item for item in systems if but_length(item) == but_length(baseline)]


def choose(
    ours: Mapping[str, Estimate], theirs: Sequence[Mapping[str, Estimate]]
) -> tuple[int, float, str] | None:
    """Choose the cheapest of several that cost at least as much, or the costliest.

    Args:
        ours: Numbers of the method's runs as a whole, by metric.
        theirs: The same of each candidate.

    Returns:
        Its place, its cost over the method's, and what the cost is; None where it is not known.

    Example:
        >>> def book(seconds):
        ...     return {"train_seconds": Estimate.of({0: seconds})}
        >>> choose(book(10.0), [book(6.0), book(30.0), book(12.0)])
        (2, 1.2, 'train_seconds')
    """
    for measured in _COSTS:
        cost = ours.get(measured)
        known = [(place, book[measured]) for place, book in enumerate(theirs) if measured in book]
        if cost is None or cost.mean <= 0 or not known:
            continue
        ratios = [(item.mean / cost.mean, place) for place, item in known]
        reached = [pair for pair in ratios if pair[0] >= SLACK]
        ratio, place = min(reached) if reached else max(ratios)
        return place, ratio, measured
    return None
