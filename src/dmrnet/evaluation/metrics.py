"""Metrics of confusion matrices (true class by row), and the worst values."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(confusion: Tensor) -> Tensor:
    """Return the accuracy of counts int64 ``(..., M, M)``, float64 ``(...)``; NaN without samples.

    >>> accuracy(torch.tensor([[8, 2], [1, 9]])).item()
    0.85
    """
    right = confusion.diagonal(dim1=-2, dim2=-1).sum(-1).double()
    return right / confusion.sum((-2, -1)).double()


def ious(confusion: Tensor) -> Tensor:
    """Return each class's intersection over union of counts ``(..., M, M)``, float64 ``(..., M)``.

    It is NaN, not 1, for a class without any predicted or true pixels.

    >>> ious(torch.tensor([[6, 2, 0], [1, 1, 0], [0, 0, 0]])).tolist()
    [0.6666666666666666, 0.25, nan]
    """
    both = confusion.diagonal(dim1=-2, dim2=-1).double()
    return both / (confusion.sum(-1) + confusion.sum(-2) - both)


def mean_iou(confusion: Tensor) -> Tensor:
    """Return the mean of `ious` over the classes for which it is defined; NaN without any.

    Count all images in one matrix: a mean over images of each one's mean is another number.

    >>> round(mean_iou(torch.tensor([[6, 2, 0], [1, 1, 0], [0, 0, 0]])).item(), 4)
    0.4583
    """
    return ious(confusion).nanmean(-1)


def rank_error(confusion: Tensor) -> Tensor:
    """Return the mean distance in ranks of counts ``(..., M, M)``, float64 ``(...)``.

    >>> rank_error(torch.tensor([[8, 2, 0], [0, 5, 0], [3, 0, 2]])).item()
    0.4
    """
    counts = confusion.double()
    return (counts * _distance(counts)).sum((-2, -1)) / counts.sum((-2, -1))


def constant_rank_error(confusion: Tensor) -> Tensor:
    """Return the least `rank_error` of one class predicted for every sample, float64 ``(...)``.

    >>> constant_rank_error(torch.tensor([[8, 2, 0], [0, 5, 0], [3, 0, 2]])).item()
    0.75
    """
    of_class = confusion.sum(-1).double()
    return (of_class @ _distance(confusion.double())).amin(-1) / of_class.sum(-1)


def quadratic_kappa(confusion: Tensor) -> Tensor:
    """Return Cohen's kappa with quadratic weights of counts ``(..., M, M)``, float64 ``(...)``.

    It is 1 - D / E, with D the mean squared distance in ranks and E that of predictions which are
    independent of the truth with the same frequencies; NaN where E is 0.

    >>> round(quadratic_kappa(torch.tensor([[8, 2, 0], [0, 5, 0], [3, 0, 2]])).item(), 4)
    0.4043
    """
    counts = confusion.double()
    weight, total = _distance(counts).square(), counts.sum((-2, -1))
    observed = (counts * weight).sum((-2, -1))
    chance = counts.sum(-1, keepdim=True) * counts.sum(-2, keepdim=True)
    return 1 - observed * total / (chance * weight).sum((-2, -1))


def _distance(counts: Tensor) -> Tensor:
    """Return the distance in ranks of each cell, ``(M, M)``."""
    rank = torch.arange(counts.shape[-1], dtype=counts.dtype, device=counts.device)
    return (rank[:, None] - rank).abs()


def worst(values: Tensor, k: int) -> Tensor:
    """Return the k lowest of values ``(n,)`` as bool ``(n,)``, earlier ones among equals; no NaN.

    >>> worst(torch.tensor([0.9, 0.2, float("nan"), 0.5]), 2).tolist()
    [False, True, False, True]
    """
    key = torch.where(values.isnan(), torch.inf, values)
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[torch.argsort(key, stable=True)[:k]] = True
    return chosen & ~values.isnan()
