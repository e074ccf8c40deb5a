"""The share of the training rows that is held out for validation."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.splits.groups import group_codes, hold_out_groups
from dmrnet.data.splits.split import generator, hold_out
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
    task, present, target = training.task, training.present, training.target
    # One row of each incomplete modality stays, so that training has all modalities.
    kept = torch.zeros(len(target), dtype=torch.bool)
    kept[present.int().argmax(0)[~present.all(0)]] = True
    draw, groups, strata = generator(seed, "split"), training.groups, target_of(task).strata(target)
    if groups is None:
        held, what = hold_out(strata, share, draw, kept), f"{len(target)} rows"
    else:
        held = hold_out_groups(strata, group_codes(groups), share, draw, kept)
        what = f"{len(set(groups))} groups ({groups[0]!r}, ...) of {len(target)} rows"
    if not held.any():
        row_wise = "" if groups is None else ", or set groups to none to split row by row"
        raise ValueError(
            f"{path}: {what} in {len(strata.unique())} classes are too few to "
            f"hold {100 * share:g} % out for validation; give val, or raise val_share{row_wise}"
        )
    sides: list[tuple[Tensor, dict[str, Tensor]]]
    sides = [((~held).nonzero().flatten(), {}), (held.nonzero().flatten(), {})]
    for name in task.modalities:
        array = training.arrays.pop(name)
        for rows, arrays in sides:
            arrays[name] = array[rows]
    parts = []
    for rows, arrays in sides:
        names = training.samples and [training.samples[row] for row in rows.tolist()]
        part = ArrayDataset(task, arrays, present[rows], target[rows], names)
        part.weight = None if training.weight is None else training.weight[rows]
        part.groups = groups and tuple(groups[row] for row in rows.tolist())
        parts.append(part)
    return parts[0], parts[1]
