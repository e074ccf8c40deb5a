"""Weights of several predictors' logits, fitted to labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 30
"""Largest number of Newton steps; the loss is convex, and a few suffice."""


def fit_weights(columns: Tensor, target: Tensor, start: Tensor, strength: float = 10.0) -> Tensor:
    r"""Fit weights of 0 or more to the logits of C predictors, by Newton's method.

    .. math:: \min_{w \ge 0} \sum_i CE\Big(\sum_c w_c x_{ic}, y_i\Big)
        + \tfrac{\lambda}{2} \lVert w - w_0 \rVert^2

    A weight that would be negative is set to 0, and the others are fitted again.

    Args:
        columns: Logits of each sample and predictor, ``(N, C, M)``.
        target: Int64 tensor of shape ``(N,)``.
        start: w_0, ``(C,)``.
        strength: lambda.

    Returns:
        Float64 tensor of shape ``(C,)``.

    >>> right = torch.eye(3).repeat(50, 1)
    >>> columns = torch.stack([right, right.roll(1, 1)], 1)
    >>> fit_weights(columns, right.argmax(1), torch.full((2,), 0.5))[1].item()
    0.0
    """
    columns, weights = columns.double(), start.double()
    start, free = weights, torch.ones_like(weights, dtype=torch.bool)
    while True:
        weights = _minimise(columns, target, start, strength, weights, free)
        if bool((weights >= 0).all()):
            return weights
        free = free & (weights > 0)
        weights = torch.where(free, weights, 0.0)


def _minimise(
    columns: Tensor, target: Tensor, start: Tensor, strength: float, weights: Tensor, free: Tensor
) -> Tensor:
    """Minimise over the free weights."""

    def loss(weights: Tensor) -> Tensor:
        logits = torch.einsum("c,ncm->nm", weights, columns)
        fit = F.cross_entropy(logits, target, reduction="sum")
        return fit + strength / 2 * (weights - start).square().sum()

    true_class = F.one_hot(target, columns.shape[2]).to(columns)
    ridge = strength * torch.eye(len(weights), dtype=columns.dtype, device=columns.device)
    for _ in range(STEPS):
        p = torch.einsum("c,ncm->nm", weights, columns).softmax(1)
        gradient = torch.einsum("ncm,nm->c", columns, p - true_class)
        gradient = torch.where(free, gradient + strength * (weights - start), 0.0)
        mean = torch.einsum("ncm,nm->nc", columns, p)
        hessian = torch.einsum("ncm,nm,ndm->cd", columns, p, columns) - mean.T @ mean + ridge
        hessian = torch.where(free[:, None] & free, hessian, ridge)
        step = torch.linalg.solve(hessian, gradient)
        size, before = 1.0, loss(weights)
        while loss(weights - size * step) > before and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if float(step.abs().max()) * size < 1e-8:
            break
    return weights
