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
    main: bool = True
    """Whether it is shown wherever rows have it, or only where a run is selected by it."""

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
    Score(
        "balanced_accuracy",
        "balanced accuracy",
        False,
        "Balanced accuracy is the mean over classes of the share of their samples that is "
        "classified correctly.",
        main=False,
    ),
    Score(
        "worst_recall",
        "worst recall",
        False,
        "Worst recall is the share of samples classified correctly of the class with the lowest.",
        main=False,
    ),
    Score("macro_f1", "macro F1", False, "Macro F1 is the mean over classes of F1.", main=False),
    Score(
        "auroc",
        "AUROC",
        False,
        "AUROC is the probability that a sample of a class has a larger probability of it than "
        "another sample, averaged over classes.",
        main=False,
    ),
    Score(
        "average_precision",
        "average precision",
        False,
        "Average precision is the area under the curve of precision by recall, averaged over "
        "classes.",
        main=False,
    ),
    Score("accuracy", "accuracy", False, "Accuracy is the share of samples classified correctly."),
)

CLASS_METRICS = {
    "balanced_accuracy": "Balanced accuracy",
    "worst_recall": "Worst recall",
    "macro_f1": "Macro F1",
    "auroc": "AUROC",
    "average_precision": "Average precision",
}
"""Metrics of classes beside accuracy, by name in the rows, with their titles."""

RECALL = "recall/"
"""Start of the metric that is the recall of a class."""

BESIDE = frozenset({*CLASS_METRICS, "majority", "predicted_classes"})
"""Metrics in the rows that a report shows beside a score."""

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


def scores_of(metrics: Iterable[str], selected_by: Iterable[str] = ()) -> list[Score]:
    """Return the scores among some metrics, in the order of `SCORES`.

    Args:
        metrics: Metrics in the rows.
        selected_by: Metrics that runs are selected by.
    """
    names, first = set(metrics), set(selected_by)
    return [s for s in SCORES if s.name in names and (s.main or s.name in first)]


def score_label(metric: str) -> str:
    """Return the name of a score shown to users."""
    return next((score.label for score in SCORES if score.name == metric), metric)


def lower_is_better(metric: str) -> bool:
    """Whether a lower score is better."""
    return any(score.name == metric and score.lower_is_better for score in SCORES)
