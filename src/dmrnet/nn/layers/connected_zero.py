"""A zero that is connected to parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def connected_zero(source: nn.Module | Tensor) -> Tensor:
    """Return a zero connected to a tensor, or to every trainable parameter of a module.

    Added to a loss, it gives them zero gradients instead of None. No value is read or computed.

    >>> layer = nn.Linear(2, 1)
    >>> connected_zero(layer).backward()
    >>> layer.weight.grad.tolist()
    [[0.0, 0.0]]
    """
    if isinstance(source, Tensor):
        return source.flatten()[:0].sum()
    return sum(
        (connected_zero(p) for p in source.parameters() if p.requires_grad),
        start=torch.zeros((), device=next((p.device for p in source.parameters()), None)),
    )
