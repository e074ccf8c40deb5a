"""Reliability: how often predictions of a confidence are right; the expected calibration error."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15


def reliability(
    probabilities: Tensor, target: Tensor, scored: Tensor, bins: int = BINS
) -> tuple[Tensor, Tensor, Tensor]:
    """Count predictions by confidence, the probability of the predicted class.

    Args:
        probabilities: float ``(K, n, M)``.
        target: int64 ``(n,)``.
        scored: bool ``(K, n)``, True where the sample counts.
        bins: Number B of bins of equal width.

    Returns:
        Number of predictions, sum of their confidences, and number of right ones: float64
        ``(K, B)`` each.
    """
    confidence, predicted = probabilities.double().max(-1)
    right = predicted == target
    of_bin = (confidence * bins).ceil().long().clamp(1, bins) - 1
    rows = torch.arange(len(scored))[:, None] * bins
    cell = (rows + of_bin)[scored]
    kinds = (torch.ones_like(confidence), confidence, right.double())
    number, total, good = (
        torch.bincount(cell, kind[scored], len(scored) * bins).reshape(-1, bins) for kind in kinds
    )
    return number, total, good


def calibration_error(number: Tensor, confidence: Tensor, right: Tensor) -> Tensor:
    """Return the expected calibration error of counts from `reliability`, float64 ``(K,)``.

    The mean over predictions of the gap between the confidence and the accuracy of their bin; NaN
    without predictions.

    >>> right = torch.tensor([[0.0, 9.0]])
    >>> calibration_error(torch.tensor([[0.0, 10.0]]), torch.tensor([[0.0, 9.9]]), right)
    tensor([0.0900])
    """
    return (confidence - right).abs().sum(1) / number.sum(1)
