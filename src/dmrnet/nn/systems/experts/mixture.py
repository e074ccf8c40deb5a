"""Weights of several predictors' outputs, fitted to targets."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.targets import CLASSES, Target

STEPS = 30
"""Largest number of Newton steps; the loss is convex, and a few suffice."""


def fit_weights(
    columns: Tensor,
    target: Tensor,
    start: Tensor,
    strength: float = 10.0,
    kind: Target = CLASSES,
) -> Tensor:
    r"""Fit weights of 0 or more to the outputs of C predictors, by Newton's method.

    .. math:: \min_{w \ge 0} \sum_i CE\Big(\sum_c w_c x_{ic}, y_i\Big)
        + \tfrac{\lambda}{2} \lVert w - w_0 \rVert^2

    with the loss of `kind` in place of CE where something else than classes is predicted.

    A weight that would be negative is set to 0, and the others are fitted again.

    Args:
        columns: Outputs of each sample and predictor, ``(N, C, O)``.
        target: Encoded targets of `kind`, ``(N, ...)``.
        start: w_0, ``(C,)``.
        strength: lambda.
        kind: What is predicted.

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
        weights = _minimise(columns, target, start, strength, weights, free, kind)
        if bool((weights >= 0).all()):
            return weights
        free = free & (weights > 0)
        weights = torch.where(free, weights, 0.0)


def _minimise(
    columns: Tensor,
    target: Tensor,
    start: Tensor,
    strength: float,
    weights: Tensor,
    free: Tensor,
    kind: Target,
) -> Tensor:
    """Minimise over the free weights."""

    def loss(weights: Tensor) -> Tensor:
        outputs = torch.einsum("c,ncm->nm", weights, columns)
        fit = kind.loss(outputs, target).per_sample.sum()
        return fit + strength / 2 * (weights - start).square().sum()

    ridge = strength * torch.eye(len(weights), dtype=columns.dtype, device=columns.device)
    for _ in range(STEPS):
        outputs = torch.einsum("c,ncm->nm", weights, columns)
        gradient = torch.einsum("ncm,nm->c", columns, kind.slope(outputs, target))
        gradient = torch.where(free, gradient + strength * (weights - start), 0.0)
        hessian = kind.curvature(columns, outputs, target) + ridge
        hessian = torch.where(free[:, None] & free, hessian, ridge)
        step = torch.linalg.solve(hessian, gradient)
        size, before = 1.0, loss(weights)
        while loss(weights - size * step) > before and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if float(step.abs().max()) * size < 1e-8:
            break
    return weights
