"""Dice of classes and regions, from confusion counts of single volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.modalities import Task

Region = tuple[str, tuple[int, ...]]
"""Name of a region, and the numbers of its classes."""


def main_regions(task: Task) -> tuple[Region, ...]:
    """Return the regions whose mean is the score: the task's, or each class but the first."""
    return task.regions or tuple((name, (n,)) for n, name in enumerate(task.classes) if n)


def every_region(task: Task) -> tuple[Region, ...]:
    """Return the task's regions, then each class but the first that is none of them by name."""
    names = [name for name, _ in task.regions]
    classes = ((name, (n,)) for n, name in enumerate(task.classes) if n and name not in names)
    return (*task.regions, *classes)


def region_dice(counts: Tensor, numbers: Sequence[int]) -> Tensor:
    """Return the Dice score of a region in counts int64 ``(..., M, M)``, float64 ``(...)``.

    It is 1 where the region is neither in the labels nor in the prediction, and 0 where it is in
    one of them alone, as BraTS scores a case.

    Args:
        counts: Number of voxels by true (row) and predicted class.
        numbers: Numbers of the region's classes.

    >>> counts = torch.tensor([[5, 1, 0], [0, 2, 1], [1, 0, 0]])
    >>> [round(region_dice(counts, some).item(), 3) for some in ((1, 2), (1,), (2,))]
    [0.75, 0.667, 0.0]
    >>> region_dice(torch.tensor([[9, 0], [0, 0]]), (1,)).item()
    1.0
    """
    some = torch.tensor(numbers, device=counts.device)
    rows = counts.index_select(-2, some)
    both = rows.index_select(-1, some).sum((-2, -1)).double()
    sizes = (rows.sum((-2, -1)) + counts.index_select(-1, some).sum((-2, -1))).double()
    return torch.where(sizes == 0, 1.0, 2 * both / sizes)


def mean_over_cases(values: Tensor, scored: Tensor) -> Tensor:
    """Return the mean over scored cases of values ``(K, n)``, ``(K,)``; NaN without a case."""
    kept = torch.where(scored, values, 0.0).sum(1)
    return kept / scored.sum(1).double()
