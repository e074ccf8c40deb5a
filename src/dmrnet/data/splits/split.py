"""Seeded generators, and stratified splits of rows."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def generator(*key: int | str) -> torch.Generator:
    """Return a CPU generator seeded by a key, e.g. (seed, epoch, "masks").

    The key is hashed, not summed, so that seed 0 in epoch 1 is not seed 1 in epoch 0.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def hold_out(
    target: Tensor, share: float, draw: torch.Generator, keep: Tensor | None = None
) -> Tensor:
    """Draw a share of the rows, stratified by class.

    The number of rows of each class is within one of its share, and so is their sum, however many
    small classes there are: they are the differences of rounded running totals. At least one row of
    each class is left.

    Args:
        target: int64 tensor ``(n,)`` of classes.
        share: Share of the rows, between 0 and 1.
        draw: Generator of the order of the rows.
        keep: Bool tensor ``(n,)``, True for rows that must not be held out.

    Returns:
        Bool tensor ``(n,)``, True where a row is held out.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1 to hold out, got {share}")
    size = target.bincount()
    wanted = (size.cumsum(0) * share).round().long().diff(prepend=torch.zeros(1, dtype=torch.long))
    wanted = wanted.minimum((size - 1).clamp(min=0))
    order = torch.randperm(len(target), generator=draw)
    if keep is not None:
        order = order[~keep[order]]
    order = order[target[order].argsort(stable=True)]
    label = target[order]
    start = label.bincount(minlength=len(size)).cumsum(0).roll(1)
    start[0] = 0
    chosen = torch.arange(len(order)) - start[label] < wanted[label]
    held = torch.zeros(len(target), dtype=torch.bool)
    held[order[chosen]] = True
    return held
