"""Statistics of each combination over an epoch, which mining ranks (Eq. 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from dmrnet.modalities import index_of
from dmrnet.modalities.combinations import MAX_TABLE, count
from dmrnet.objectives.term import Step

STEPS_AT_ONCE = 64
"""Number of steps whose samples are added together: adding takes a dozen small calls."""

Add = Callable[[Tensor], Tensor]
"""Returns the sum of a tensor over all processes."""


@dataclass(frozen=True)
class Totals:
    """Sums over the samples of each combination, by index j of Eq. 10.

    Attributes:
        sums: Float64 tensor of shape ``(2^V,)``: sums of a value.
        counts: Float64 tensor of shape ``(2^V,)``: numbers of samples.
    """

    sums: Tensor
    counts: Tensor

    @property
    def means(self) -> Tensor:
        """Mean of each combination, NaN without a sample."""
        return self.sums / self.counts


@dataclass(frozen=True)
class EpochStatistics:
    """Statistics of each combination over an epoch of training.

    Attributes:
        variance: Mean sigma^2 of a sample (d_j of Eq. 10); no samples without a distribution.
        loss: Mean task loss of a sample.
    """

    variance: Totals
    loss: Totals


class CombinationSums(nn.Module):
    """Adds up a value over the samples of each combination, in float64.

    Sums and counts are kept, not means, so that they can be added over processes.

    The tables follow the module to another device, but they are not buffers: they are empty between
    epochs, and DistributedDataParallel would overwrite them with those of the first process before
    every step.

    Args:
        modalities: Number of modalities, at most 20.
    """

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.sums = empty_table(modalities)
        self.counts = empty_table(modalities)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # A conversion of the model to another precision leaves the sums in float64.
        self.sums, self.counts = fn(self.sums).double(), fn(self.counts).double()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def update(self, mask: Tensor, values: Tensor) -> None:
        """Add samples, without a gradient and without synchronising the device.

        Args:
            mask: Bool tensor of shape ``(B, V)``.
            values: Value of each sample, ``(B,)``. Values that are not finite are not counted (an
                image without a labelled pixel has no mean loss).
        """
        j = index_of(mask)
        values = values.detach().double()
        counted = values.isfinite()
        self.sums.index_add_(0, j, torch.where(counted, values, 0.0))
        self.counts.index_add_(0, j, counted.double())

    def close(self, add: Add | None = None) -> Totals:
        """Return the sums over all processes, and start anew."""
        if add is not None:
            self.sums.copy_(add(self.sums))
            self.counts.copy_(add(self.counts))
        totals = Totals(self.sums.clone(), self.counts.clone())
        self.reset()
        return totals

    def reset(self) -> None:
        """Set all sums to zero."""
        self.sums.zero_()
        self.counts.zero_()


class CombinationStatistics(nn.Module):
    """Statistics of the combinations of an epoch; none where they are too many for a table.

    Args:
        modalities: Number of modalities.
    """

    def __init__(self, modalities: int) -> None:
        super().__init__()
        few = modalities <= MAX_TABLE
        self.variance = CombinationSums(modalities) if few else None
        self.loss = CombinationSums(modalities) if few else None
        self._losses: list[tuple[Tensor, Tensor]] = []
        self._variances: list[tuple[Tensor, Tensor]] = []

    def update(self, step: Step) -> None:
        """Add the samples of a training step; the tables have them after `close` at the latest."""
        if self.loss is None:
            return
        self._losses.append((step.mask, step.task.per_sample.detach() / step.task.size))
        if (variance := step.rep.mean_variance) is not None:
            self._variances.append((step.mask, variance))
        if len(self._losses) == STEPS_AT_ONCE:
            self._fill_tables()

    def _fill_tables(self) -> None:
        for table, waiting in ((self.loss, self._losses), (self.variance, self._variances)):
            if table is not None and waiting:
                masks, values = zip(*waiting, strict=True)
                table.update(torch.cat(masks), torch.cat(values))
                waiting.clear()

    def close(self, add: Add | None = None) -> EpochStatistics | None:
        """Return the statistics of the epoch over all processes, and start anew.

        Args:
            add: Sums a tensor over processes; None for a single process.
        """
        if self.loss is None or self.variance is None:
            return None
        self._fill_tables()
        return EpochStatistics(variance=self.variance.close(add), loss=self.loss.close(add))


def empty_table(modalities: int) -> Tensor:
    """Return float64 zeros ``(2^V,)``, one for each index j of Eq. 10 (j = 0 is unused).

    Raises:
        ValueError: If there are more than 20 modalities.
    """
    if modalities > MAX_TABLE:
        raise ValueError(
            f"expected at most {MAX_TABLE} modalities for statistics by combination, got "
            f"{modalities}"
        )
    return torch.zeros(count(modalities) + 1, dtype=torch.float64)
