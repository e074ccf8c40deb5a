"""The scores that a report shows, and how to say them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of a combination.

    Attributes:
        name: The metric's name in the rows.
        label: Its name for a reader.
        lower_is_better: Whether small values are good.
        explained: What it is, in one sentence.
    """

    name: str
    label: str
    lower_is_better: bool
    explained: str

    def error(self, value: float) -> float:
        """Return how wrong a value is, larger being worse, as a fraction."""
        return value if self.lower_is_better else 1 - value


SCORES = (
    # What is made for a data set goes before accuracy, which all have.
    Score(
        "acer",
        "ACER",
        True,
        "ACER is the mean of the shares of attacks taken as real and of real ones taken as "
        "attacks; lower is better.",
    ),
    Score(
        "miou",
        "mIoU",
        False,
        "mIoU is the overlap of predicted and true regions over their union, averaged over the "
        "classes.",
    ),
    Score("accuracy", "accuracy", False, "Accuracy is the share of samples classified correctly."),
)

COMPLETE = "_complete"
"""Ending of a metric scored only on the samples that have every modality."""


def scores_of(metrics: Iterable[str]) -> list[Score]:
    """Return the known scores among the names of metrics, in a fixed order."""
    names = set(metrics)
    return [score for score in SCORES if score.name in names]
