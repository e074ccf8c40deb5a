"""Selective prediction: how well uncertainty finds errors."""

from __future__ import annotations

from torch import Tensor


def error_detection(uncertainty: Tensor, wrong: Tensor) -> float:
    """Return the AUROC with which uncertainty separates wrong predictions from right ones.

    Args:
        uncertainty: float ``(n,)``, higher is less sure.
        wrong: bool ``(n,)``.

    Returns:
        Probability that a wrong prediction has the higher uncertainty, ties counted half; NaN if
        all are right, or all wrong.

    >>> import torch
    >>> error_detection(
    ...     torch.tensor([0.1, 0.4, 0.3, 0.9]), torch.tensor([False, False, True, True])
    ... )
    0.75
    """
    positive = int(wrong.sum())
    negative = len(wrong) - positive
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = uncertainty.unique(return_inverse=True, return_counts=True)
    # The mean rank of ties, counted from 1.
    rank = counts.cumsum(0) - (counts - 1) / 2
    total = float(rank[inverse][wrong].double().sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)
