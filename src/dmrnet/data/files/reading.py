"""Reading the ``.npz`` files of a training: layouts, classes, and rows held out for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.files.archive import RESERVED, Archive
from dmrnet.data.files.layout import Layout, guess_layout, parse_kind
from dmrnet.data.files.new_file import FileReader, absence_notes, arranged, class_numbers
from dmrnet.data.files.table import SampleTable, read_table, text
from dmrnet.data.split import generator, hold_out
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task, check_names


def read_splits(
    train: str,
    val: str | None,
    test: str | None,
    seed: int,
    val_share: float = 0.2,
    modalities: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Splits:
    """Read the files of a training; the numbers are not standardised.

    Args:
        train: Training file.
        val: Validation file; None holds out a share of the training rows.
        test: Test file, if there is one.
        seed: Seed of the rows that are held out.
        val_share: Share of the training rows to hold out.
        modalities: Arrays to use, in this order; None uses every array of the training file.
        kinds: Layouts by array, as in the settings of `arrays`.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file or an argument is wrong; the message says which and where.
    """
    archive = Archive(train)
    archive.check_target()
    names = _selected(modalities, archive)
    table = read_table(archive, names, archive.names)
    never = np.flatnonzero(table.present.sum(0) == 0)
    if len(never):
        raise ValueError(
            f"{train}: modality {names[never[0]]} is absent in every row, so "
            "nothing can be learnt of it; leave it out with modalities"
        )
    stated = _stated(kinds or {}, archive)
    shapes = {name: array.shape[1:] for name, array in table.arrays.items()}
    training, notes = _training(table, names, stated)
    task = training.task
    fine = frozenset(name for name in names if training.arrays[name].dtype == torch.float64)
    reader = FileReader(task, archive.names, stated, shapes, fine)
    if val is None:
        training, validation = _hold_out(train, training, val_share, seed)
        notes.append(
            f"val: {100 * val_share:g} % of train held out ({len(validation)} rows, seed {seed})"
        )
    else:
        validation = reader.read(val, "val")
    testing = None if test is None else reader.read(test, "test")
    notes.extend(absence_notes("train", table, training.present, names))
    notes.extend(validation.notes)
    notes.extend(testing.notes if testing else ())
    return Splits("arrays", training, validation, testing, tuple(notes), columns=archive.names)


def _selected(modalities: Sequence[str] | None, archive: Archive) -> tuple[str, ...]:
    """Return the modalities to use, checked against the training file."""
    if modalities is None:
        return archive.names
    names = check_names(modalities)
    for name in names:
        if name in RESERVED:
            raise ValueError(f"modalities: {name!r} is kept for {', '.join(RESERVED)}")
        _check_array("modalities", name, archive)
    return names


def _check_array(setting: str, name: str, archive: Archive) -> None:
    if name not in archive.names:
        raise ValueError(
            f"{setting}: {archive.path} has no array {name!r}; {nearest(name, archive.names)}"
        )


def _stated(kinds: Mapping[str, str], archive: Archive) -> dict[str, Layout]:
    """Return the layouts that the settings state, checked against the training file."""
    stated = {}
    for name, kind in kinds.items():
        _check_array("kinds", name, archive)
        try:
            stated[name] = parse_kind(kind)
        except ValueError as error:
            raise ValueError(f"kinds: {name}: {error}") from error
    return stated


def _training(
    table: SampleTable, names: tuple[str, ...], stated: Mapping[str, Layout]
) -> tuple[ArrayDataset, list[str]]:
    """Return the training rows, and notes on guessed layouts; the table loses its arrays."""
    inputs, arrays, notes = [], {}, []
    for name in names:
        array = table.arrays.pop(name)
        shape = array.shape[1:]
        try:
            layout = stated.get(name) or guess_layout(shape)
            inputs.append(Modality(name, layout.kind, layout.shape(shape)))
        except ValueError as error:
            raise ValueError(f"{table.path}: modality {name}: {error}") from error
        arrays[name] = arranged(array, layout)
        if layout.guessed:
            notes.append(
                f"{name} ({_by(shape)}) read as {layout.kind} {_by(inputs[-1].shape)}, channels "
                "first; --data.kinds changes that"
            )
    assert table.target is not None
    labels = np.unique(table.target)
    if len(labels) < 2:
        raise ValueError(
            f"{table.path}: every label is {text(labels[0])!r}; expected at least two classes"
        )
    task = Task(tuple(inputs), tuple(text(label) for label in labels))
    target = class_numbers(table.path, table.target, task.classes)
    present = torch.from_numpy(table.present)
    return ArrayDataset(task, arrays, present, target, table.samples), notes


def _hold_out(
    path: str, training: ArrayDataset, share: float, seed: int
) -> tuple[ArrayDataset, ArrayDataset]:
    """Return the training rows that stay and those held out; one array is copied at a time."""
    if not 0 < share < 1:
        raise ValueError(f"expected val_share between 0 and 1, got {share}")
    task, present, target = training.task, training.present, training.target
    # One row of each incomplete modality stays, so that training has all modalities.
    kept = torch.zeros(len(target), dtype=torch.bool)
    kept[present.int().argmax(0)[~present.all(0)]] = True
    held = hold_out(target, share, generator(seed, "split"), kept)
    if not held.any():
        raise ValueError(
            f"{path}: {len(target)} rows in {len(task.classes)} classes are too few to "
            f"hold {100 * share:g} % out for validation; give val, or raise val_share"
        )
    sides = [(~held).nonzero().flatten(), held.nonzero().flatten()]
    arrays: list[dict[str, Tensor]] = [{}, {}]
    for name in task.modalities:
        array = training.arrays.pop(name)
        for rows, side in zip(sides, arrays, strict=True):
            side[name] = array[rows]
    samples = training.samples
    train, val = (
        ArrayDataset(
            task,
            side,
            present[rows],
            target[rows],
            None if samples is None else [samples[row] for row in rows.tolist()],
        )
        for rows, side in zip(sides, arrays, strict=True)
    )
    return train, val


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)
