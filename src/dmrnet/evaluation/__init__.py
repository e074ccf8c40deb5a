"""Every combination in one pass, and what follows from its counts."""

from dmrnet.evaluation.combinations import Evaluation, Predictions, evaluate, predict_masks
from dmrnet.evaluation.metrics import accuracy, worst
from dmrnet.evaluation.pairs import Pairs, draw_pairs, evaluate_pairs

__all__ = [
    "Evaluation",
    "Pairs",
    "Predictions",
    "accuracy",
    "draw_pairs",
    "evaluate",
    "evaluate_pairs",
    "predict_masks",
    "worst",
]
