"""Clipping gradients by their norm, with few calls per parameter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def clip(parameters: Sequence[nn.Parameter], most: float) -> Tensor:
    """Scale gradients in place so that the norm of all of them is at most `most`.

    The values are those of `torch.nn.utils.clip_grad_norm_`, which sorts the gradients by device
    and dtype at every step.

    Args:
        parameters: Parameters on one device; those without a gradient are left out.
        most: Largest norm.

    Returns:
        Norm before, a scalar.

    >>> weight = nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> float(clip([weight], 1.0)), [round(x, 3) for x in weight.grad.tolist()]
    (5.0, [0.6, 0.8])
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
    return norm
