"""Selecting, scattering and repeating rows of a batch without changing the memory format.

A map ``(B, C, H, W)`` may be stored channels last. Torch's own row operations would return it
channels first, slowly, and every following layer would reorder it again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def take_rows(x: Tensor, rows: Tensor | None) -> Tensor:
    """Return rows of ``(B, ...)``, int64 ``(b,)`` or None for all; other rows are never read."""
    if rows is None:
        return x
    return _in_memory_order(x, lambda plain: plain.index_select(0, rows))


def spread_rows(x: Tensor, rows: Tensor, size: int) -> Tensor:
    """Place ``(b, ...)`` at the given distinct rows, int64 ``(b,)``, of zeros ``(size, ...)``.

    >>> spread_rows(torch.ones(1, 2), torch.tensor([1]), 2).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    return _in_memory_order(
        x, lambda plain: plain.new_zeros((size, *plain.shape[1:])).index_copy_(0, rows, plain)
    )


def channels_last(x: Tensor) -> bool:
    """Return whether a map ``(B, C, H, W)`` is stored channels last and not channels first."""
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _in_memory_order(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a function of rows with the other dimensions in the order of memory."""
    if channels_last(x):
        return function(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return function(x)
