"""Scores that a report shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of combinations: its name in the rows, and its label and definition on the page."""

    name: str
    label: str
    lower_is_better: bool
    explained: str
    main: bool = True
    """Whether it is shown wherever rows have it, or only where a run is selected by it."""
    rate: bool = True
    """Whether it is shown in percent; otherwise it is a number in a unit of its own."""

    @property
    def unit(self) -> str:
        """Words after its label: in percent, or in its unit."""
        return "in percent" if self.rate else "in its unit"

    @property
    def sign(self) -> str:
        """Sign after a number: a percent sign, or nothing."""
        return "%" if self.rate else ""

    @property
    def digits(self) -> int:
        """Decimals where there is little room: fewer of percent than of a unit of any size."""
        return 1 if self.rate else 2

    @property
    def points(self) -> str:
        """Unit of differences."""
        return "percentage points" if self.rate else "its unit"

    def axis(self, what: str = "") -> str:
        """Return the label of an axis."""
        return f"{self.label}{what}" + (" in %" if self.rate else "")

    def error(self, value: float) -> float:
        """Return a value as an error, larger is worse: a fraction where it is a rate."""
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
        "dice",
        "Dice",
        False,
        "Dice is twice the overlap of a predicted and a true region over the sum of their sizes, "
        "averaged over regions and cases; 100 where both are empty.",
    ),
    Score(
        "hd95",
        "HD95",
        True,
        "HD95 is the 95th percentile of the distances between the surfaces of a predicted and a "
        "true region, averaged over regions and cases; lower is better.",
        rate=False,
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
    Score(
        "mae",
        "MAE",
        True,
        "MAE is the mean absolute error of the predicted numbers, in their unit; lower is better.",
        rate=False,
    ),
    Score(
        "rank_mae",
        "MAE of ranks",
        True,
        "MAE of ranks is the mean distance of the predicted class from the true one, in steps of "
        "the order; lower is better.",
        rate=False,
    ),
    Score(
        "map",
        "mAP",
        False,
        "mAP is the average precision of each label, averaged over the labels.",
    ),
    # After MAE, which comes first where one number is predicted.
    Score(
        "r2",
        "R²",
        False,
        "R² is one minus the squared error over that of predicting the mean of the samples: 100 "
        "is perfect, 0 no better than that mean, below 0 worse; averaged over the targets.",
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
"""Metrics of classes besides accuracy, by name in the rows, with their titles."""

RECALL = "recall/"
"""Start of the metric that is the recall of a class."""

CONSTANTS = {
    "accuracy": "majority",
    "mae": "constant_mae",
    "rank_mae": "constant_rank_mae",
}
"""Metric of the best constant prediction, by score."""

CONSTANT_NAMES = {
    "accuracy": "the most frequent class",
    "mae": "the median",
    "rank_mae": "the middle class",
}
"""Description of that constant."""

BESIDE = frozenset({*CLASS_METRICS, *CONSTANTS.values(), "predicted_classes"})
"""Metrics in the rows that a report shows next to a score."""

COMPLETE = "_complete"
"""Suffix of a metric scored only on samples with every modality."""


MOSTLY = 0.6
"""Share of the most frequent class from which on predicting it always is put down to that."""

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


def advice_on_constant(majority: float) -> str:
    """Return what to try where one class is predicted for every sample.

    Args:
        majority: Share of the most frequent class.
    """
    if majority < MOSTLY:
        return (
            "the training may be too short (try a larger max_epochs, --max-epochs), or have "
            "hidden too few modalities for this combination"
        )
    return (
        "try class_weights balanced and select_by balanced-accuracy (--class-weights, --select-by)"
    )


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


def shown_as(score: Score, values: Iterable[float]) -> tuple[Score, float]:
    """Return a score as it is shown, and the factor of its values.

    Numbers are written as a hundred times a value. One that is no percentage is divided by 100
    before, and by a power of 1000 that its label names where it is very large or small.

    Args:
        score: The score.
        values: Its values.

    >>> mae = next(score for score in SCORES if score.name == "mae")
    >>> shown, factor = shown_as(mae, [0.0012, 0.004])
    >>> shown.label, round(100 * factor * 0.0012, 6)
    ('MAE / 1e-03', 1.2)
    """
    if score.rate:
        return score, 1.0
    largest = max(map(abs, values), default=0.0)
    power = 0
    if largest and not 0.1 <= largest < 1e4:
        power = 3 * math.floor(math.log10(largest) / 3)
    label = f"{score.label} / 1e{power:+03d}" if power else score.label
    return replace(score, label=label), 10.0**-power / 100


def is_rate(metric: str) -> bool:
    """Whether a score is shown in percent, rather than in a unit of its own."""
    name = metric.removesuffix(COMPLETE)
    return not any(score.name == name and not score.rate for score in SCORES)


def lower_is_better(metric: str) -> bool:
    """Whether a lower score is better."""
    return any(score.name == metric and score.lower_is_better for score in SCORES)
