"""Every combination in one pass, and what follows from its counts."""

from dmrnet.evaluation.combinations import (
    Evaluation,
    Predictions,
    evaluate,
    evaluate_pairs,
    predict_masks,
)
from dmrnet.evaluation.metrics import accuracy, worst

__all__ = [
    "Evaluation",
    "Predictions",
    "accuracy",
    "evaluate",
    "evaluate_pairs",
    "predict_masks",
    "worst",
]
