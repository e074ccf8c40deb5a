"""Small versions of a data set: fewer training and validation rows, the same test rows."""

from __future__ import annotations

from dataclasses import replace

import torch

from dmrnet.data.dataset import ArrayDataset, Dataset, Splits
from dmrnet.data.splits.split import generator, hold_out
from dmrnet.targets import target_of


def limited(splits: Splits, rows: int, seed: int) -> Splits:
    """Keep some of the training rows, stratified by class, and the same share of validation.

    Each class keeps at least one row of each split that has it.

    Args:
        splits: Splits of `ArrayDataset`, not standardised yet.
        rows: Number of training rows to keep.
        seed: Seed of the draw.

    Raises:
        ValueError: If there are fewer rows than that, or a class would be left without a row.
    """
    kind = target_of(splits.train.task)
    total, classes = len(splits.train), len(kind.strata(splits.train.target).unique())
    if not classes <= rows <= total:
        raise ValueError(
            f"rows: expected {classes}, one per class, to {total}, the number of training rows; "
            f"got {rows}"
        )
    if rows == total:
        return splits
    share = rows / total
    train = _some(splits.train, share, generator(seed, "rows", "train"))
    val = _some(splits.val, share, generator(seed, "rows", "val"))
    note = (
        f"limited to {len(train)} of {total} training rows and {len(val)} of {len(splits.val)} "
        "validation rows, stratified"
    )
    return replace(splits, train=train, val=val, notes=(*splits.notes, note))


def _some(part: Dataset, share: float, draw: torch.Generator) -> ArrayDataset:
    """Return a share of the rows of a split, in their order."""
    assert isinstance(part, ArrayDataset)
    # Rows that are not held out stay, since hold_out leaves at least one of each class.
    strata = target_of(part.task).strata(part.target)
    kept = (~hold_out(strata, 1 - share, draw)).nonzero().flatten()
    return part.some(kept, {name: array[kept] for name, array in part.arrays.items()})
