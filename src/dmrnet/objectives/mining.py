"""Mining of hard modality combinations (Sec. 3.3, Eq. 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

import torch
from torch import Tensor, nn

from dmrnet.modalities import index_of
from dmrnet.modalities.combinations import MAX_TABLE, count

Criterion = Literal["variance", "loss"]
"""What ranks combinations: mean sigma^2 (the paper), or mean training loss."""

Among = Literal["all", "single"]
"""Which combinations may be hard: all, or those of one modality."""


class CombinationMeans(nn.Module):
    """Sums over the samples of each combination since the last `reset`, in float64.

    With mean sigma^2 of a sample as the value, the mean is d_j of Eq. 10. Sums and counts, and not
    means, are kept, so that adding them over processes gives what one process would have.

    The tables follow the module to another device, but are neither saved (they are empty between
    epochs) nor registered as buffers, which DistributedDataParallel overwrites with those of the
    first process before every step.

    Args:
        modalities: V, at most 20.
    """

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.sums = empty_table(modalities)
        self.counts = empty_table(modalities)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Conversions of the model to another precision do not concern the sums.
        self.sums, self.counts = fn(self.sums).double(), fn(self.counts).double()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def update(self, mask: Tensor, values: Tensor) -> None:
        """Add samples: bool ``(B, V)`` and a value each, ``(B,)``. No gradient, no waiting.

        A sample whose value is not finite (an image without one labelled pixel has no mean loss)
        is not counted; it would stay in the sums for good.
        """
        j = index_of(mask)
        values = values.detach().double()
        counted = values.isfinite()
        self.sums.index_add_(0, j, torch.where(counted, values, 0.0))
        self.counts.index_add_(0, j, counted.double())

    def means(self) -> Tensor:
        """Return the mean of each index j, NaN where nothing was counted; ``(2^V,)``."""
        return self.sums / self.counts

    def reduce(self, add: Callable[[Tensor], Tensor]) -> None:
        """Add sums and counts over processes; `add` returns the sum of a tensor over all."""
        self.sums.copy_(add(self.sums))
        self.counts.copy_(add(self.counts))

    def reset(self) -> None:
        """Forget everything."""
        self.sums.zero_()
        self.counts.zero_()


def empty_table(modalities: int) -> Tensor:
    """Return float64 zeros ``(2^V,)``, one for each index j of Eq. 10 (and j = 0, unused).

    Raises:
        ValueError: If there are more than 20 modalities.
    """
    if modalities > MAX_TABLE:
        raise ValueError(
            f"statistics by combination are kept for up to {MAX_TABLE} modalities, got {modalities}"
        )
    return torch.zeros(count(modalities) + 1, dtype=torch.float64)


def top_combinations(means: Tensor, counts: Tensor, k: int, min_count: float) -> Tensor:
    """Return which combinations have the k largest means among those counted often enough.

    Args:
        means: float64 ``(2^V,)`` by index j; index 0 is no combination.
        counts: float64 ``(2^V,)``.
        k: How many to choose; fewer where fewer can be ranked.
        min_count: What a combination must have been counted to be ranked.

    Returns:
        bool ``(2^V,)``. Of equal means the lower index is chosen.

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
    """Keeps a running mean for each combination and the hard set that follows from it.

    Args:
        modalities: V.
        by: ``variance`` (Eq. 10) or ``loss``.
        size: How many combinations are hard; None for V, as in the paper.
        momentum: What of the earlier epochs' sums is kept when an epoch is added.
        min_count: Samples (of the decayed sum) below which a combination is not ranked.
        freeze_after: The hard set stays as it is after so many epochs; None re-mines each epoch.
        among: Which combinations are ranked: all (the paper), or those of a single modality.
        fixed: bool ``(K, V)``: these are hard from the start and nothing is mined; None mines.
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
        self.by = by
        self.size = min(size or modalities, count(modalities))
        self.momentum = momentum
        self.min_count = min_count
        if among not in ("all", "single"):
            raise ValueError(f"expected mining among all or single, got {among!r}")
        self.freeze_after = freeze_after
        self.fixed = fixed is not None
        self.register_buffer("running_sums", empty_table(modalities))
        self.register_buffer("running_counts", empty_table(modalities))
        self.register_buffer("hard", torch.zeros(count(modalities) + 1, dtype=torch.bool))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))
        j = torch.arange(len(self.hard))
        # An index with one bit is a single modality.
        ranked = (j & (j - 1)) == 0 if among == "single" else j >= 0
        self.register_buffer("ranked", ranked, persistent=False)
        if fixed is not None:
            self.hard[index_of(fixed)] = True

    def end_epoch(self, epoch_means: CombinationMeans) -> None:
        """Take in an epoch's sums, already added over processes, and mine again if not frozen."""
        self.epochs += 1
        if self.fixed or (self.freeze_after is not None and int(self.epochs) > self.freeze_after):
            return
        self.running_sums.mul_(self.momentum).add_(epoch_means.sums)
        self.running_counts.mul_(self.momentum).add_(epoch_means.counts)
        counts = self.running_counts * self.ranked
        means = self.running_sums / self.running_counts
        self.hard.copy_(top_combinations(means, counts, self.size, self.min_count))

    def is_hard(self, mask: Tensor) -> Tensor:
        """Return bool ``(B,)``: the indicator Delta_i in H of Eq. 11-12."""
        return self.hard[index_of(mask)]
