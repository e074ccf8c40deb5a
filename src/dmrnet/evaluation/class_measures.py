"""Metrics of classes that every evaluation reports besides its score, and that may select."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from dmrnet.evaluation.class_metrics import (
    balanced_accuracy,
    macro_f1,
    majority_share,
    predicted_classes,
    ranking_metrics,
    worst_recall,
)
from dmrnet.evaluation.combinations import Evaluation
from dmrnet.evaluation.measures import Columns, Measure
from dmrnet.evaluation.metrics import accuracy

OF_COUNTS: dict[str, Callable[[Tensor], Tensor]] = {
    "balanced_accuracy": balanced_accuracy,
    "worst_recall": worst_recall,
    "macro_f1": macro_f1,
    "majority": majority_share,
    "predicted_classes": predicted_classes,
}
"""Metrics of confusion counts by name in the rows; ``majority`` is the best constant's accuracy."""


def further_columns(evaluation: Evaluation) -> Columns:
    """Return metrics of classes besides accuracy.

    AUROC and average precision are left out if predictions were not kept.
    """
    counts = evaluation.confusion.cpu()
    n = counts.sum((1, 2))
    columns = {name: (of(counts), n) for name, of in OF_COUNTS.items()}
    if evaluation.predictions is not None:
        auroc, precision = ranking_metrics(evaluation.predictions)
        columns |= {"auroc": (auroc, n), "average_precision": (precision, n)}
    return columns


_SELECTING: dict[str, Callable[[Tensor], Tensor]] = {"accuracy": accuracy, **OF_COUNTS}

_LABELS = {"macro_f1": "macro F1", "auroc": "AUROC"}


@dataclass(frozen=True)
class ClassScore(Measure):
    """A metric of classes first, and then those of the task's own measure.

    Attributes:
        metric: Name of the metric in the rows, such as ``balanced_accuracy``.
        own: Measure of the data set or its task.
    """

    metric: str
    own: Measure

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the metric."""
        return self.metric

    @property
    def label(self) -> str:  # type: ignore[override]
        """Its name in tables."""
        return _LABELS.get(self.metric, self.metric.replace("_", " "))

    @property
    def needs_predictions(self) -> bool:  # type: ignore[override]
        """Whether counts do not suffice."""
        return self.metric not in _SELECTING

    def of(self, evaluation: Evaluation, complete: bool = False) -> Columns:
        """Return the metric and those of `own`."""
        counts = evaluation.complete if complete else evaluation.confusion
        if self.needs_predictions:
            kept = evaluation.predictions
            assert kept is not None
            if complete:
                kept = replace(kept, scored=kept.scored & kept.scored.all(0))
            auroc, precision = ranking_metrics(kept)
            values = auroc if self.metric == "auroc" else precision
        else:
            values = _SELECTING[self.metric](counts)
        return {self.name: (values, counts.sum((1, 2))), **self.own.of(evaluation, complete)}
