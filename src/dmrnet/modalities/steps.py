"""Sequences of different length in one tensor."""

from __future__ import annotations

import torch
from torch import Tensor


def mark_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """Return padded sequences as a method reads them: zeros after the end, and one more channel.

    The last channel is 1 at the steps of a sample, and 0 after them.

    Args:
        x: Tensor of shape ``(n, C, T)``.
        lengths: Int64 number of steps of each sample, ``(n,)``.

    Returns:
        Tensor of shape ``(n, C + 1, T)``.

    >>> mark_steps(torch.tensor([[[4.0, 5.0, 6.0]]]), torch.tensor([2])).tolist()
    [[[4.0, 5.0, 0.0], [1.0, 1.0, 0.0]]]
    """
    steps = (torch.arange(x.shape[-1], device=x.device) < lengths[:, None])[:, None]
    marked = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    return torch.where(steps, marked, 0.0)
