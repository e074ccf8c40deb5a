"""Rows of a batch: taken out, put back among zeros, repeated; in the memory format they have.

A map ``(B, C, H, W)`` may have its channels last in memory. Torch's own operations on rows would
return it channels first, slowly, and every layer behind would reorder it again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Return some rows of ``(B, ...)``.

    Args:
        x: Rows that are not named are never read.
        rows: int64 ``(b,)``.
    """
    return _as_it_stands(x, lambda plain: plain.index_select(0, rows))


def spread_rows(x: Tensor, rows: Tensor, size: int) -> Tensor:
    """Put the rows of ``(b, ...)`` back among zeros: ``(size, ...)``.

    Args:
        x: ``(b, ...)``.
        rows: int64 ``(b,)``, distinct: where each of them goes.
        size: Of the batch.

    >>> spread_rows(torch.ones(1, 2), torch.tensor([1]), 2).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    return _as_it_stands(
        x, lambda plain: plain.new_zeros((size, *plain.shape[1:])).index_copy_(0, rows, plain)
    )


def repeat_rows(x: Tensor, times: int) -> Tensor:
    """Return ``(B, ...)`` so many times one behind the other: ``(times * B, ...)``.

    >>> repeat_rows(torch.tensor([1, 2]), 2).tolist()
    [1, 2, 1, 2]
    """
    return _as_it_stands(x, lambda plain: plain.expand(times, *plain.shape).flatten(0, 1))


def channels_last(x: Tensor) -> bool:
    """Return whether a map ``(B, C, H, W)`` has its channels last in memory, and not first."""
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _as_it_stands(x: Tensor, act: Callable[[Tensor], Tensor]) -> Tensor:
    """Act on rows, with the other dimensions in the order in which they stand in memory."""
    if channels_last(x):
        return act(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return act(x)
