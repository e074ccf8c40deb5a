"""The splits of a data set of volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dmrnet.data.checks.concerns import combination_notes, warnings_of
from dmrnet.data.dataset import Splits
from dmrnet.data.dense import class_weights
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.splits.groups import group_codes, hold_out_groups
from dmrnet.data.splits.split import generator, hold_out
from dmrnet.data.volumes.cases import CaseIndex, Cases
from dmrnet.data.volumes.options import Regions, VolumeOptions
from dmrnet.data.volumes.patches import PatchDataset
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.modalities import Modality, Task

Part = tuple[Cases, CaseIndex, Tensor]
"""All cases, what is known of them, and the numbers of those of a split, int64 ``(n,)``."""


def volume_splits(
    name: str,
    options: VolumeOptions,
    parts: Mapping[str, Part | None],
    classes: Sequence[str],
    *,
    seed: int,
    standardiser: Standardiser | None,
    regions: Mapping[str, Sequence[int]] | Regions = (),
    numbers: Sequence[int] | None = None,
    ignore: int | None = None,
    spacing: Sequence[float] | None = None,
    empty_distance: float | None = None,
    notes: Sequence[str] = (),
    doubts: Mapping[str, Sequence[str]] | None = None,
    whole_labels: bool = False,
) -> Splits:
    """Return patches to train on, and whole cases to validate and test on.

    Args:
        name: Name of the data set.
        options: How volumes are cut.
        parts: The cases of ``train``, ``val`` and ``test``; None where there is no test.
        classes: Names of the classes; the first is the background.
        seed: Seed of the run.
        standardiser: Standardiser of the training cases; None where cases are standardised already.
        regions: Numbers of the classes of each region that is scored, by name.
        numbers: Label of each class; None where labels are the numbers of the classes.
        ignore: One more label that stands for no class.
        spacing: Size of a voxel along each axis; None for 1.
        empty_distance: HD95 between a region and none; None for the diagonal of the volume.
        notes: Sentences about the data.
        doubts: Sentences about what is probably wrong with the cases of each split.
        whole_labels: Whether classes were given as numbers only.

    Raises:
        ValueError: If an option is out of range, or a modality is in no training case.
    """
    options.check_options()
    some = dict(parts)
    train = some["train"]
    assert train is not None
    index = train[1].of(train[2])
    for column, modality in enumerate(index.modalities):
        if not index.present[:, column].any():
            raise ValueError(
                f"{name}: modality {modality} is absent in every training case, so nothing can be "
                "learnt of it; leave it out"
            )
    sides = options.sides(index.sizes.amax(0).tolist())
    named = tuple(regions.items()) if isinstance(regions, Mapping) else tuple(regions)
    task = Task(
        tuple(
            Modality(modality, "volume", (channels, *sides))
            for modality, channels in index.channels.items()
        ),
        tuple(classes),
        dense=True,
        class_weights=class_weights(index.voxels, options.weights),
        regions=tuple((region, tuple(members)) for region, members in named),
    )
    rows: dict[str, VolumeRows] = {}
    for role in ("train", "val", "test"):
        part = some.get(role)
        if part is not None:
            cases, known, numbered = part
            rows[role] = VolumeRows(
                task,
                cases,
                known.of(numbered),
                numbered,
                standardiser=standardiser,
                numbers=numbers,
                ignore=ignore,
                spacing=spacing,
                empty_distance=empty_distance,
                overlap=options.overlap,
                path=name,
            )
            rows[role].warnings = tuple((doubts or {}).get(role, ()))
    patches = PatchDataset(
        rows["train"],
        sides,
        options.patches,
        options.foreground,
        seed,
        options.augment == "flip",
        options.intensity,
    )
    by = " x ".join(map(str, sides))
    sentences = [
        f"trained on {options.patches} patches of {by} voxels of each volume an epoch; validated "
        f"and tested on whole volumes, in windows of that size",
        *notes,
        *_absences(rows["train"]),
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
        whole_labels=whole_labels,
        warnings=warnings_of(rows["train"], rows["val"], rows.get("test")),
    )


def _absences(train: VolumeRows) -> list[str]:
    counts = (~train.present).sum(0).tolist()
    return [
        f"train: {name} is absent in {count} of {len(train)} volumes"
        for name, count in zip(train.task.modalities, counts, strict=True)
        if count
    ]


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
    kept = torch.zeros(number, dtype=torch.bool)
    # One case of each incomplete modality stays, so that training has all modalities.
    kept[index.present.int().argmax(0)[~index.present.all(0)]] = True
    wholly = ""
    if index.groups is None:
        held = hold_out(strata, share, draw, kept)
    else:
        held = hold_out_groups(strata, group_codes(index.groups), share, draw, kept)
        wholly = " in whole groups"
    if not held.any():
        raise ValueError(
            f"{path}: {number} volumes are too few to hold {100 * share:g} % out for validation; "
            "give val, or raise val_share"
        )
    note = (
        f"val: {100 * share:g} % of train held out{wholly} ({int(held.sum())} volumes, seed {seed})"
    )
    return (~held).nonzero().flatten(), held.nonzero().flatten(), note
