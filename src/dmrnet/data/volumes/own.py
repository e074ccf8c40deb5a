"""The user's own volumes: the splits of a training, and further volumes read as it read its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.shift import with_shift_warnings
from dmrnet.data.dataset import Splits
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import MissingCells, cell_notes
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.streaming import fit_streamed
from dmrnet.data.pixel_labels import numbers_of_training
from dmrnet.data.volumes.cases import read_case
from dmrnet.data.volumes.options import OwnVolumes, region_numbers
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.data.volumes.sources import Opened, without_ignored
from dmrnet.data.volumes.splits import Part, hold_out_cases, volume_splits
from dmrnet.modalities import Task


def own_splits(
    name: str,
    options: OwnVolumes,
    train: str | Source,
    val: str | Source | None,
    test: str | Source | None,
    seed: int,
    val_share: float = 0.2,
    groups: str | None = None,
    absent: Mapping[str, float] | None = None,
    cells: Cells = "refuse",
    unscaled: Sequence[str] = (),
) -> Splits:
    """Return the splits of the user's own volumes, standardised by the training volumes.

    Args:
        name: Name of the data.
        options: How volumes are cut, and what labels mean.
        train: Training volumes: a file, or data of Python; so are the others.
        val: Validation volumes; None holds out a share of the training volumes.
        test: Test volumes, if there are any.
        seed: Seed of the run.
        val_share: Share of the training volumes to hold out.
        groups: Name of the array of groups; see `OwnFiles`.
        absent: Number that stands for an absent block, by modality.
        cells: What stands for missing voxels: the mean of their channel, or zero.
        unscaled: Modalities whose numbers are not standardised.

    Raises:
        ValueError: If something is wrong with the volumes or the options.
    """
    options.check_options()
    if cells not in ("refuse", "mean", "zero"):
        raise ValueError(
            "cells: expected refuse, mean or zero for volumes with a class for every voxel, got "
            f"{cells}"
        )
    filled = cells != "refuse"
    opened = Opened(train, labelled=True, groups=groups, absent=absent, cells=filled)
    labels = without_ignored(opened.scan.labels, options.ignore)
    numbers, label_note = numbers_of_training(opened.path, labels, options.classes, options.labels)
    classes = tuple(options.classes or map(str, numbers))
    index = opened.index(numbers)
    notes = [*opened.reading_notes(), *([label_note] if label_note else [])]
    if val is None:
        rows, held, note = hold_out_cases(opened.path, index, val_share, seed)
        notes.insert(0, note)
        further = {"val": (opened, held)}
    else:
        rows = torch.arange(len(index))
        further = {"val": _part("val", val, opened, groups, absent, cells, notes)}
    standardiser = fit_streamed(volumes_of(opened, rows), index.modalities, cells)
    standardiser.leave(unscaled)
    notes += cell_counts("train", opened, rows, cells)
    if test is not None:
        further["test"] = _part("test", test, opened, groups, absent, cells, notes)
    parts: dict[str, Part | None] = {"train": (opened.cases, index, rows)}
    doubts = {"train": opened.doubts("train", rows.tolist())}
    for role, (source, some) in further.items():
        parts[role] = source.cases, source.index(numbers), some
        doubts[role] = source.doubts(role, some.tolist(), standardiser.constants())
    splits = volume_splits(
        name,
        options,
        parts,
        classes,
        seed=seed,
        standardiser=standardiser,
        regions=region_numbers(options.regions, classes),
        numbers=numbers,
        ignore=options.ignore,
        spacing=options.spacing,
        empty_distance=options.empty_distance,
        notes=notes,
        doubts=doubts,
        whole_labels=options.classes is None,
    )
    return with_shift_warnings(splits)


def _part(
    role: str,
    source: str | Source,
    training: Opened,
    groups: str | None,
    absent: Mapping[str, float] | None,
    cells: Cells,
    notes: list[str],
) -> tuple[Opened, Tensor]:
    opened = Opened(
        source,
        labelled=True,
        channels=training.scan.channels,
        groups=groups,
        absent=absent,
        cells=cells != "refuse",
    )
    rows = torch.arange(len(opened.names))
    notes += cell_counts(role, opened, rows)
    return opened, rows


def cell_counts(role: str, opened: Opened, rows: Tensor, cells: Cells | None = None) -> list[str]:
    """Return sentences on the missing cells of some cases; see `cell_notes`."""
    counted, known = {}, opened.scan
    for column, (name, channels) in enumerate(known.channels.items()):
        has = rows[known.present[rows, column]]
        missing = known.missing[has, column]
        if bool(missing.any()):
            numbers = int(known.sizes[has].prod(1).sum()) * channels
            share = int(missing.sum()) / numbers
            counted[name] = MissingCells(int((missing > 0).sum()), len(has), share)
    return cell_notes(role, counted, cells if cells != "refuse" else None)


def volumes_of(opened: Opened, rows: Tensor) -> Iterator[dict[str, Tensor]]:
    """Read the volumes of some cases, one case at a time."""
    for row in rows.tolist():
        arrays, _ = read_case(opened.path, opened.cases, row, opened.scan.channels)
        yield {
            name: torch.from_numpy(np.array(array, dtype=np.float32))
            for name, array in arrays.items()
        }


def read_volumes(
    source: str | Source,
    task: Task,
    standardiser: Standardiser | None,
    options: OwnVolumes,
    need_target: bool = True,
    groups: str | None = None,
    absent: Mapping[str, float] | None = None,
) -> VolumeRows:
    """Read further volumes as a training read its own; they may have any size.

    Args:
        source: A file, or data of Python.
        task: Task of the training.
        standardiser: Standardiser of the training.
        options: How volumes are cut, and what labels mean.
        need_target: Whether every volume must have labels; else they are not read.
        groups: Name of the array of groups.
        absent: Number that stands for an absent block, by modality.

    Raises:
        ValueError: If something is wrong with the volumes; the message says which and where.
    """
    channels = {modality.name: modality.shape[0] for modality in task.inputs}
    opened = Opened(
        source,
        labelled=need_target,
        channels=channels,
        groups=groups,
        absent=absent,
        cells=standardiser is not None and standardiser.imputer is not None,
    )
    numbers, rows = numbers_of(task, options), torch.arange(len(opened.names))
    volumes = VolumeRows(
        task,
        opened.cases,
        opened.index(numbers).of(rows),
        rows,
        standardiser=standardiser,
        numbers=numbers,
        ignore=options.ignore,
        spacing=options.spacing,
        empty_distance=options.empty_distance,
        overlap=options.overlap,
        path=opened.path,
    )
    usual = {} if standardiser is None else standardiser.constants()
    volumes.warnings = opened.doubts("file", rows.tolist(), usual)
    volumes.leave_out(opened.skipped)
    return volumes


def numbers_of(task: Task, options: OwnVolumes) -> tuple[int, ...]:
    """Return the label of each class of a training."""
    if options.labels is not None:
        return tuple(options.labels)
    # Classes that are not named have their labels as names.
    named = options.classes is not None or not all(name.isdecimal() for name in task.classes)
    return tuple(range(len(task.classes)) if named else map(int, task.classes))
