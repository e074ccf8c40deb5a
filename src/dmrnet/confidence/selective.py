"""Selective prediction: whether uncertainty finds errors, and the risk where only some are kept."""

from __future__ import annotations

import torch
from torch import Tensor


def error_detection(uncertainty: Tensor, wrong: Tensor) -> float:
    """Return the AUROC with which uncertainty separates wrong predictions from right ones.

    Args:
        uncertainty: float ``(n,)``, higher is less sure.
        wrong: bool ``(n,)``.

    Returns:
        Probability that a wrong prediction has the higher uncertainty, ties counted half; NaN if
        all are right, or all wrong.

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


def risk_coverage(uncertainty: Tensor, wrong: Tensor) -> tuple[Tensor, Tensor]:
    """Return the error rate of the surest predictions, for every number of them that is kept.

    Returns:
        Coverage, the share that is kept, and risk, the share of these that are wrong: float64
        ``(n,)`` each, from the surest prediction alone to all. Ties share their mean risk.

    >>> coverage, risk = risk_coverage(torch.tensor([0.3, 0.1]), torch.tensor([True, False]))
    >>> coverage.tolist(), risk.tolist()
    ([0.5, 1.0], [0.0, 0.5])
    """
    _, inverse, counts = uncertainty.unique(return_inverse=True, return_counts=True)
    of_value = torch.zeros(len(counts), dtype=torch.float64)
    of_value.index_add_(0, inverse, wrong.double())
    order = uncertainty.argsort()
    kept = torch.arange(1, len(wrong) + 1, dtype=torch.float64)
    risk = (of_value / counts)[inverse][order].cumsum(0) / kept
    return kept / len(wrong), risk
