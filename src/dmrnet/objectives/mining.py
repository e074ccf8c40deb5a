"""Mining of hard modality combinations (Sec. 3.3, Eq. 10)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import index_of
from dmrnet.modalities.combinations import count
from dmrnet.objectives.statistics import Totals, empty_table

Criterion = Literal["variance", "loss"]
"""Criterion that ranks combinations: mean sigma^2 (the paper), or mean training loss."""

Among = Literal["all", "single"]
"""Combinations that may be hard: all, or single modalities."""


def top_combinations(means: Tensor, counts: Tensor, k: int, min_count: float) -> Tensor:
    """Return the combinations with the k largest means.

    Args:
        means: Float64 tensor of shape ``(2^V,)`` by index j; index 0 is no combination.
        counts: Number of samples of each combination, float64 ``(2^V,)``.
        k: Number of combinations to choose; fewer if fewer can be ranked.
        min_count: Number of samples below which a combination is not ranked.

    Returns:
        Bool tensor of shape ``(2^V,)``. If means are equal, the lower index is chosen.

    >>> means = torch.tensor([0.0, 3.0, 1.0, 2.0])
    >>> top_combinations(means, torch.tensor([0.0, 9, 9, 9]), 2, 1.0).tolist()
    [False, True, False, True]
    """
    ranked = (counts >= min_count) & (counts > 0) & means.isfinite()
    ranked[0] = False
    key = torch.where(ranked, means, torch.full_like(means, -torch.inf))
    order = torch.argsort(key, descending=True, stable=True)[:k]
    chosen = torch.zeros_like(ranked)
    chosen[order] = True
    return chosen & ranked


class Miner(nn.Module):
    """Keeps a running mean of each combination, and the hard set that follows from it.

    Args:
        modalities: Number of modalities.
        by: What combinations are ranked by: ``variance`` (Eq. 10) or ``loss``.
        size: Number of hard combinations; by default V, as in the paper.
        momentum: Share of earlier epochs' sums that is kept when an epoch is added.
        min_count: Number of samples (in the decayed sums) below which a combination is not ranked.
        freeze_after: Number of epochs after which the hard set is fixed; None mines every epoch.
        among: Combinations that are ranked: all (the paper) or single modalities.
        fixed: Bool tensor of shape ``(K, V)``: combinations that are hard from the start, without
            mining; None mines.
    """

    hard: Tensor
    epochs: Tensor
    running_sums: Tensor
    running_counts: Tensor
    ranked: Tensor

    def __init__(
        self,
        modalities: int,
        by: Criterion = "loss",
        size: int | None = None,
        momentum: float = 0.9,
        min_count: float = 8.0,
        freeze_after: int | None = None,
        among: Among = "all",
        fixed: Tensor | None = None,
    ) -> None:
        super().__init__()
        if by not in ("variance", "loss"):
            raise ValueError(f"expected mining by variance or by loss, got {by!r}")
        if size is not None and size < 1:
            raise ValueError(f"expected a hard set of 1 or more combinations, got {size}")
        if not 0 <= momentum <= 1:
            raise ValueError(f"expected momentum in [0, 1], got {momentum}")
        if among not in ("all", "single"):
            raise ValueError(f"expected mining among all or single, got {among!r}")
        self.by = by
        self.size = min(size or modalities, count(modalities))
        self.momentum = momentum
        self.min_count = min_count
        self.freeze_after = freeze_after
        self.fixed = fixed is not None
        self.register_buffer("running_sums", empty_table(modalities))
        self.register_buffer("running_counts", empty_table(modalities))
        self.register_buffer("hard", torch.zeros(count(modalities) + 1, dtype=torch.bool))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))
        j = torch.arange(len(self.hard))
        # The index of a single modality has one bit.
        ranked = (j & (j - 1)) == 0 if among == "single" else j >= 0
        self.register_buffer("ranked", ranked, persistent=False)
        if fixed is not None:
            self.hard[index_of(fixed)] = True

    def end_epoch(self, totals: Totals) -> None:
        """Add an epoch, and mine again unless the hard set is fixed."""
        self.epochs += 1
        if self.fixed or (self.freeze_after is not None and int(self.epochs) > self.freeze_after):
            return
        self.running_sums.mul_(self.momentum).add_(totals.sums)
        self.running_counts.mul_(self.momentum).add_(totals.counts)
        counts = self.running_counts * self.ranked
        means = self.running_sums / self.running_counts
        self.hard.copy_(top_combinations(means, counts, self.size, self.min_count))

    def is_hard(self, mask: Tensor) -> Tensor:
        """Return bool ``(B,)``: whether each mask ``(B, V)`` is hard (Delta_i in H, Eq. 11-12)."""
        return self.hard[index_of(mask)]
