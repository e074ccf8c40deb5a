"""The splits of a data set of volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dmrnet.data.checks.concerns import absences, combination_notes, warnings_of
from dmrnet.data.dataset import Splits
from dmrnet.data.dense import class_weights
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.splits.groups import hold_out_rows, needed_rows
from dmrnet.data.splits.split import generator
from dmrnet.data.volumes.cases import CaseIndex, Cases
from dmrnet.data.volumes.options import OwnVolumes, region_numbers
from dmrnet.data.volumes.patches import PatchDataset
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.modalities import Modality, Task

Part = tuple[Cases, CaseIndex, Tensor]
"""All cases, what is known of them, and the numbers of those of a split, int64 ``(n,)``."""


def volume_splits(
    name: str,
    options: OwnVolumes,
    parts: Mapping[str, Part],
    *,
    seed: int,
    standardiser: Standardiser | None,
    numbers: Sequence[int] | None = None,
    notes: Sequence[str] = (),
    doubts: Mapping[str, Sequence[str]] | None = None,
) -> Splits:
    """Return patches to train on, and whole cases to validate and test on.

    Args:
        name: Name of the data set.
        options: How volumes are cut, and what labels mean; the first class is the background.
        parts: The cases of ``train``, of ``val``, and of ``test`` if there are any.
        seed: Seed of the run.
        standardiser: Standardiser of the training cases; None where cases are standardised already.
        numbers: Label of each class; None where labels are the numbers of the classes.
        notes: Sentences about the data.
        doubts: Sentences about what is probably wrong with the cases of each split.

    Raises:
        ValueError: If an option is out of range, or a modality is in no training case.
    """
    options.check_options()
    _, every, training = parts["train"]
    index = every.of(training)
    for column, modality in enumerate(index.modalities):
        if not index.present[:, column].any():
            raise ValueError(
                f"{name}: modality {modality} is absent in every training case, so nothing can be "
                "learnt of it; leave it out"
            )
    sides = options.sides(index.sizes.amax(0).tolist())
    classes = tuple(options.classes or map(str, numbers or ()))
    task = Task(
        tuple(
            Modality(modality, "volume", (channels, *sides))
            for modality, channels in index.channels.items()
        ),
        classes,
        dense=True,
        class_weights=class_weights(index.voxels, options.weights),
        regions=region_numbers(options.regions, classes),
    )
    rows: dict[str, VolumeRows] = {}
    for role, (cases, known, some) in parts.items():
        rows[role] = VolumeRows(
            task,
            cases,
            known.of(some),
            some,
            options,
            standardiser=standardiser,
            numbers=numbers,
            path=name,
        )
        rows[role].warnings = tuple((doubts or {}).get(role, ()))
    patches = PatchDataset(rows["train"], sides, options, seed)
    by = " x ".join(map(str, sides))
    sentences = [
        f"trained on {options.patches} patches of {by} voxels of each volume an epoch; validated "
        f"and tested on whole volumes, in windows of that size",
        *notes,
        *absences("train", rows["train"].present, task.modalities, "volumes"),
        *combination_notes(rows["train"].present, task.modalities),
    ]
    return Splits(
        name,
        patches,
        rows["val"],
        rows.get("test"),
        tuple(sentences),
        standardiser,
        columns=task.modalities,
        whole_labels=options.classes is None,
        warnings=warnings_of(rows["train"], rows["val"], rows.get("test")),
    )


def hold_out_cases(
    path: str, index: CaseIndex, share: float, seed: int
) -> tuple[Tensor, Tensor, str]:
    """Return the numbers of the cases of training and validation, and a sentence on the draw.

    Whole groups are held out where cases have groups.

    Raises:
        ValueError: If nothing can be held out.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected val_share between 0 and 1, got {share}")
    number = len(index)
    draw, strata = generator(seed, "volumes", "val"), torch.zeros(number, dtype=torch.int64)
    held = hold_out_rows(strata, index.groups, share, draw, needed_rows(index.present))
    wholly = "" if index.groups is None else " in whole groups"
    if not held.any():
        raise ValueError(
            f"{path}: {number} volumes are too few to hold {100 * share:g} % out for validation; "
            "give val, or raise val_share"
        )
    note = (
        f"val: {100 * share:g} % of train held out{wholly} ({int(held.sum())} volumes, seed {seed})"
    )
    return (~held).nonzero().flatten(), held.nonzero().flatten(), note
