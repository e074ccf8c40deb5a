"""The user's own volumes: the splits of a training, and further volumes read as it read its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.shift import with_shift_warnings
from dmrnet.data.dataset import Splits
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.files.rules import USUAL_RULES, FileRules
from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import MissingCells, cell_notes
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.streaming import fit_streamed
from dmrnet.data.pixel_labels import label_numbers, numbers_of_training
from dmrnet.data.volumes.cases import read_case
from dmrnet.data.volumes.options import OwnVolumes
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
    rules: FileRules = USUAL_RULES,
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
        rules: Settings of the files; missing voxels become the mean of their channel, or zero.
        unscaled: Modalities whose numbers are not standardised.

    Raises:
        ValueError: If something is wrong with the volumes or the options.
    """
    options.check_options()
    cells = rules.cells
    if cells not in ("refuse", "mean", "zero"):
        raise ValueError(
            "cells: expected refuse, mean or zero for volumes with a class for every voxel, got "
            f"{cells}"
        )
    opened = Opened(train, rules, labelled=True, cells=rules.fills_cells)
    labels = without_ignored(opened.scan.labels, options.ignore)
    numbers, label_note = numbers_of_training(opened.path, labels, options.classes, options.labels)
    index = opened.index(numbers)
    notes = [*opened.reading_notes(), *([label_note] if label_note else [])]

    def further(role: str, source: str | Source) -> tuple[Opened, Tensor]:
        known, filled = opened.scan.channels, rules.fills_cells
        more = Opened(source, rules, labelled=True, channels=known, cells=filled)
        rows = torch.arange(len(more.names))
        notes.extend(cell_counts(role, more, rows))
        return more, rows

    if val is None:
        rows, held, note = hold_out_cases(opened.path, index, val_share, seed)
        notes.insert(0, note)
        others = {"val": (opened, held)}
    else:
        rows = torch.arange(len(index))
        others = {"val": further("val", val)}
    standardiser = fit_streamed(volumes_of(opened, rows), index.modalities, cells)
    standardiser.leave(unscaled)
    notes += cell_counts("train", opened, rows, cells)
    if test is not None:
        others["test"] = further("test", test)
    parts: dict[str, Part] = {"train": (opened.cases, index, rows)}
    doubts = {"train": opened.doubts("train", rows.tolist())}
    for role, (source, some) in others.items():
        parts[role] = source.cases, source.index(numbers), some
        doubts[role] = source.doubts(role, some.tolist(), standardiser.constants())
    splits = volume_splits(
        name,
        options,
        parts,
        seed=seed,
        standardiser=standardiser,
        numbers=numbers,
        notes=notes,
        doubts=doubts,
    )
    return with_shift_warnings(splits)


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
    rules: FileRules = USUAL_RULES,
) -> VolumeRows:
    """Read further volumes as a training read its own; they may have any size.

    Args:
        source: A file, or data of Python.
        task: Task of the training.
        standardiser: Standardiser of the training.
        options: How volumes are cut, and what labels mean.
        need_target: Whether every volume must have labels; else they are not read.
        rules: Settings of the files.

    Raises:
        ValueError: If something is wrong with the volumes; the message says which and where.
    """
    opened = Opened(
        source,
        rules,
        labelled=need_target,
        channels={modality.name: modality.shape[0] for modality in task.inputs},
        cells=standardiser is not None and standardiser.imputer is not None,
    )
    numbers = label_numbers(task, options.classes, options.labels)
    rows = torch.arange(len(opened.names))
    volumes = VolumeRows(
        task,
        opened.cases,
        opened.index(numbers).of(rows),
        rows,
        options,
        standardiser=standardiser,
        numbers=numbers,
        path=opened.path,
    )
    usual = {} if standardiser is None else standardiser.constants()
    volumes.warnings = opened.doubts("file", rows.tolist(), usual)
    volumes.leave_out(opened.skipped)
    return volumes
