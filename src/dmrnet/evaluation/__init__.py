"""Evaluation of every combination in one pass, metrics of its counts, and analyses of features.

`dense` evaluates a class for every pixel, `features` analyses what methods represent.
Torchmetrics' metrics are imported on first use: that takes longer than a small evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.evaluation.acer import ErrorRates, error_rates, threshold_of
from dmrnet.evaluation.class_measures import further_columns
from dmrnet.evaluation.class_metrics import (
    balanced_accuracy,
    macro_f1,
    majority_share,
    predicted_classes,
    ranking_metrics,
    recalls,
    worst_recall,
)
from dmrnet.evaluation.combinations import Evaluation, MaskPredictions, evaluate, predict_masks
from dmrnet.evaluation.dense.label_maps import predict_pixels
from dmrnet.evaluation.dense.pixels import NO_CLASS, LabelMaps, PixelEvaluation, evaluate_pixels
from dmrnet.evaluation.dense.tiles import Tiling, windows
from dmrnet.evaluation.features.angles import Angles, centred, class_vector_angles, embedding_angles
from dmrnet.evaluation.features.channel_distance import Distances, channel_distance
from dmrnet.evaluation.finite import NoClassError
from dmrnet.evaluation.hard_sets import Agreement, hard_set_agreement
from dmrnet.evaluation.measures import (
    Accuracy,
    AttackErrors,
    MeanIoU,
    Measure,
    goodness,
    measure_of,
)
from dmrnet.evaluation.metrics import accuracy, ious, mean_iou, worst
from dmrnet.evaluation.pairs import Pairs, ScoredPairs, draw_pairs, evaluate_pairs, score_pairs
from dmrnet.evaluation.values import evaluate_values, pooled
from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.evaluation.attacks import ACER, APCER, BPCER, AttackThreshold
    from dmrnet.evaluation.dense.pixel_iou import PixelIoU

__all__ = [
    "ACER",
    "APCER",
    "BPCER",
    "NO_CLASS",
    "Accuracy",
    "Agreement",
    "Angles",
    "AttackErrors",
    "AttackThreshold",
    "Distances",
    "ErrorRates",
    "Evaluation",
    "LabelMaps",
    "MaskPredictions",
    "MeanIoU",
    "Measure",
    "NoClassError",
    "Pairs",
    "PixelEvaluation",
    "PixelIoU",
    "ScoredPairs",
    "Tiling",
    "accuracy",
    "balanced_accuracy",
    "centred",
    "channel_distance",
    "class_vector_angles",
    "draw_pairs",
    "embedding_angles",
    "error_rates",
    "evaluate",
    "evaluate_pairs",
    "evaluate_pixels",
    "evaluate_values",
    "further_columns",
    "goodness",
    "hard_set_agreement",
    "ious",
    "macro_f1",
    "majority_share",
    "mean_iou",
    "measure_of",
    "pooled",
    "predict_masks",
    "predict_pixels",
    "predicted_classes",
    "ranking_metrics",
    "recalls",
    "score_pairs",
    "threshold_of",
    "windows",
    "worst",
    "worst_recall",
]

_HOME = {
    "ACER": "dmrnet.evaluation.attacks",
    "APCER": "dmrnet.evaluation.attacks",
    "BPCER": "dmrnet.evaluation.attacks",
    "AttackThreshold": "dmrnet.evaluation.attacks",
    "PixelIoU": "dmrnet.evaluation.dense.pixel_iou",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
