"""Metrics that follow from a confusion matrix (true class by row)."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(confusion: Tensor) -> Tensor:
    """Return the share of samples on the diagonal, NaN where there is no sample.

    Args:
        confusion: int64 ``(..., M, M)``.

    Returns:
        float64 ``(...)``.

    >>> accuracy(torch.tensor([[8, 2], [1, 9]])).item()
    0.85
    """
    right = confusion.diagonal(dim1=-2, dim2=-1).sum(-1).double()
    return right / confusion.sum((-2, -1)).double()


def ious(confusion: Tensor) -> Tensor:
    """Return the intersection of each class's predicted and true pixels over their union.

    A class that is in neither is undefined (NaN), never perfect.

    Args:
        confusion: int64 ``(..., M, M)``.

    Returns:
        float64 ``(..., M)``.

    >>> ious(torch.tensor([[6, 2, 0], [1, 1, 0], [0, 0, 0]])).tolist()
    [0.6666666666666666, 0.25, nan]
    """
    both = confusion.diagonal(dim1=-2, dim2=-1).double()
    return both / (confusion.sum(-1) + confusion.sum(-2) - both)


def mean_iou(confusion: Tensor) -> Tensor:
    """Return the mean of `ious` over the classes for which it is defined, NaN without any.

    All images are in one matrix: a mean over images of each one's mean is another number.

    Args:
        confusion: int64 ``(..., M, M)``.

    Returns:
        float64 ``(...)``.

    >>> round(mean_iou(torch.tensor([[6, 2, 0], [1, 1, 0], [0, 0, 0]])).item(), 4)
    0.4583
    """
    return ious(confusion).nanmean(-1)


def worst(values: Tensor, k: int) -> Tensor:
    """Return which k of the values are the lowest; NaN is never among them.

    Args:
        values: ``(n,)``, higher is better.
        k: How many; of equal values the earlier is chosen.

    Returns:
        bool ``(n,)``.

    >>> worst(torch.tensor([0.9, 0.2, float("nan"), 0.5]), 2).tolist()
    [False, True, False, True]
    """
    key = torch.where(values.isnan(), torch.inf, values)
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[torch.argsort(key, stable=True)[:k]] = True
    return chosen & ~values.isnan()
