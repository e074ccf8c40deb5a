"""Scores that a report shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of combinations: its name in the rows, and its label and definition on the page."""

    name: str
    label: str
    lower_is_better: bool
    explained: str

    def error(self, value: float) -> float:
        """Return a value as an error: a fraction, larger is worse."""
        return value if self.lower_is_better else 1 - value


SCORES = (
    # Accuracy comes last: every classification data set has it next to its own score.
    Score(
        "acer",
        "ACER",
        True,
        "ACER is the mean of two error rates: attacks classified as real, and real samples "
        "classified as attacks; lower is better.",
    ),
    Score(
        "miou",
        "mIoU",
        False,
        "mIoU is the overlap of predicted and true regions divided by their union, averaged over "
        "the classes.",
    ),
    Score("accuracy", "accuracy", False, "Accuracy is the share of samples classified correctly."),
)

COMPLETE = "_complete"
"""Suffix of a metric scored only on samples with every modality."""


LEAST_SAMPLES = 20
"""Fewest samples of a combination that counts in averages and as the worst: of one sample, a score
is 0 or 100 %."""


def counted_combinations(counts: Mapping[str, int]) -> frozenset[str]:
    """Return the combinations that averages and the worst are taken over.

    Those with `LEAST_SAMPLES` or more; all where none has that many.

    Args:
        counts: Number of samples of each combination.

    >>> sorted(counted_combinations({"a": 300, "a+b": 60, "a+b+c": 2}))
    ['a', 'a+b']
    """
    enough = frozenset(name for name, n in counts.items() if n >= LEAST_SAMPLES)
    return enough or frozenset(counts)


def scores_of(metrics: Iterable[str]) -> list[Score]:
    """Return the scores among some metrics, in the order of `SCORES`."""
    names = set(metrics)
    return [score for score in SCORES if score.name in names]


def score_label(metric: str) -> str:
    """Return the name of a score shown to users."""
    return next((score.label for score in SCORES if score.name == metric), metric)


def lower_is_better(metric: str) -> bool:
    """Whether a lower score is better."""
    return any(score.name == metric and score.lower_is_better for score in SCORES)
