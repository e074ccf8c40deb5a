"""Metrics of classes that every evaluation reports beside its own score."""

from __future__ import annotations

from collections.abc import Callable

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
from dmrnet.evaluation.measures import Columns

OF_COUNTS: dict[str, Callable[[Tensor], Tensor]] = {
    "balanced_accuracy": balanced_accuracy,
    "worst_recall": worst_recall,
    "macro_f1": macro_f1,
    "majority": majority_share,
    "predicted_classes": predicted_classes,
}
"""Metrics of confusion counts by name in the rows; ``majority`` is the best constant's accuracy."""


def further_columns(evaluation: Evaluation) -> Columns:
    """Return metrics of classes beside accuracy.

    AUROC and average precision are left out if predictions were not kept.
    """
    counts = evaluation.confusion.cpu()
    n = counts.sum((1, 2))
    columns = {name: (of(counts), n) for name, of in OF_COUNTS.items()}
    if evaluation.predictions is not None:
        auroc, precision = ranking_metrics(evaluation.predictions)
        columns |= {"auroc": (auroc, n), "average_precision": (precision, n)}
    return columns
