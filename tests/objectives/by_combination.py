"""Samples of random combinations, and the index of a combination."""

from __future__ import annotations

import torch


def slow_index(row: list[bool]) -> int:
    """j = sum_k 2^(k-1) delta^k, k from 1."""
    return sum(2 ** (k - 1) * int(delta) for k, delta in enumerate(row, start=1))


def epochs_of(
    modalities: int, batches: int, seed: int, rows: int = 7
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    j = torch.randint(1, 2**modalities, (batches, rows), generator=generator)
    masks = (j[..., None] >> torch.arange(modalities) & 1).bool()
    return list(zip(masks, torch.rand(batches, rows, generator=generator), strict=True))
