"""The share of the training rows that is held out for validation."""

from __future__ import annotations

from torch import Tensor

from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.splits.groups import hold_out_rows, needed_rows
from dmrnet.data.splits.split import generator
from dmrnet.targets import target_of


def validation_of(
    path: str, training: ArrayDataset, share: float, seed: int
) -> tuple[ArrayDataset, ArrayDataset]:
    """Return the training rows that stay and those held out; one array is copied at a time.

    Args:
        path: Name of the training file, for messages.
        training: Training rows, not standardised; they lose their arrays.
        share: Share of the rows to hold out, or of whole groups where rows have groups.
        seed: Seed of the draw.

    Raises:
        ValueError: If the share is out of range, or nothing can be held out.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected val_share between 0 and 1, got {share}")
    groups, strata = training.groups, target_of(training.task).strata(training.target)
    kept = needed_rows(training.present)
    held = hold_out_rows(strata, groups, share, generator(seed, "split"), kept)
    if not held.any():
        what, row_wise = f"{len(training)} rows", ""
        if groups is not None:
            what = f"{len(set(groups))} groups ({groups[0]!r}, ...) of {what}"
            row_wise = ", or set groups to none to split row by row"
        raise ValueError(
            f"{path}: {what} in {len(strata.unique())} classes are too few to "
            f"hold {100 * share:g} % out for validation; give val, or raise val_share{row_wise}"
        )
    sides: list[tuple[Tensor, dict[str, Tensor]]]
    sides = [((~held).nonzero().flatten(), {}), (held.nonzero().flatten(), {})]
    for name in training.task.modalities:
        array = training.arrays.pop(name)
        for rows, arrays in sides:
            arrays[name] = array[rows]
    kept_part, held_part = (training.some(rows, arrays) for rows, arrays in sides)
    return kept_part, held_part
