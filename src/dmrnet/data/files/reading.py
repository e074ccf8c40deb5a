"""From ``.npz`` files to splits: layouts, classes, what is held out, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import UNLABELLED, ArrayDataset, Splits
from dmrnet.data.files.layout import Layout, fitting, guess, parse_kind
from dmrnet.data.files.npz import RESERVED, TARGET, Archive, Array, Table, read_table, text
from dmrnet.data.split import generator, hold_out
from dmrnet.data.standardise import Standardiser
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task, check_names

MOST_NOTES = 4
"""Of more modalities that rows lack, one sentence speaks of all."""


@dataclass(frozen=True)
class Reader:
    """What the training file settles for every other file.

    Attributes:
        task: Modalities and classes.
        columns: Every array of the training file.
        stated: Layouts that the settings state.
        shapes: Shapes of one sample as they stand in the training file; None where it is not at
            hand.
        fine: Modalities that stay in float64 until they are standardised.
    """

    task: Task
    columns: tuple[str, ...]
    stated: Mapping[str, Layout]
    shapes: Mapping[str, tuple[int, ...]] | None = None
    fine: frozenset[str] = frozenset()

    def read(self, path: str, role: str, need_target: bool = True) -> ArrayDataset:
        """Return the data set of another file."""
        archive = Archive(path)
        unknown = [name for name in archive.names if name not in self.columns]
        if unknown:
            raise ValueError(
                f"{path}: training had no modality {unknown[0]!r}, so nothing is known of it: "
                f"leave it out, or rename it; {nearest(unknown[0], self.columns)}"
            )
        if need_target:
            _need_target(archive)
        names = self.task.modalities
        table = read_table(archive, names, self.columns, self.fine)
        arrays = {}
        for modality in self.task.inputs:
            if modality.name in table.arrays:
                array = table.arrays.pop(modality.name)
                arrays[modality.name] = _arranged(array, self._layout(path, array, modality))
            else:
                arrays[modality.name] = torch.zeros(1, *modality.shape).expand(
                    table.rows, *modality.shape
                )
        target = (
            torch.full((table.rows,), UNLABELLED)
            if table.target is None
            else _target(path, table.target, self.task.classes)
        )
        present = torch.from_numpy(table.present)
        notes = _left_out(role, table, names) + _absences(role, present, names)
        return ArrayDataset(self.task, arrays, present, target, table.samples, notes)

    def _layout(self, path: str, array: Array, modality: Modality) -> Layout:
        shape, expected = array.shape[1:], (self.shapes or {}).get(modality.name)
        if expected is not None and shape != expected:
            raise ValueError(
                f"{path}: modality {modality.name}: expected samples of shape {expected} as in "
                f"the training file, got {shape}"
            )
        try:
            return fitting(shape, modality, self.stated.get(modality.name))
        except ValueError as error:
            raise ValueError(f"{path}: modality {modality.name}: {error}") from error


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
    _need_target(archive)
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
    task, arrays, notes = _training(train, table, names, stated)
    assert table.target is not None
    target = _target(train, table.target, task.classes)
    present = torch.from_numpy(table.present)
    fine = frozenset(name for name, array in arrays.items() if array.dtype == torch.float64)
    reader = Reader(task, archive.names, stated, shapes, fine)
    training: ArrayDataset
    if val is None:
        training, validation = _parted(
            train, val_share, task, arrays, present, target, table.samples, seed
        )
        notes.append(
            f"val: {100 * val_share:g} % of train held out ({len(validation)} rows, seed {seed})"
        )
    else:
        training = ArrayDataset(task, arrays, present, target, table.samples)
        validation = reader.read(val, "val")
    testing = None if test is None else reader.read(test, "test")
    notes.extend(_left_out("train", table, names))
    notes.extend(_absences("train", training.present, names))
    notes.extend(validation.notes)
    notes.extend(testing.notes if testing else ())
    return Splits("arrays", training, validation, testing, tuple(notes), columns=archive.names)


def read_split(
    path: str,
    task: Task,
    standardiser: Standardiser | None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    need_target: bool = True,
) -> ArrayDataset:
    """Read one more file as a finished training read its own.

    Args:
        path: ``.npz`` file.
        task: Modalities and classes of the training.
        standardiser: Standardiser of the training; None only converts the numbers to float32.
        kinds: Layouts by array, as in the settings of the training.
        columns: Every array of the training file in its order (`Splits.columns`); None stands for
            those of the task. Other arrays are refused.
        need_target: Whether the file must have labels ``y``; targets are -1 without them.

    Returns:
        The data set; its `notes` say what the file lacks.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is wrong; the message says what and where.
    """
    stated = {name: parse_kind(kind) for name, kind in (kinds or {}).items()}
    fine = frozenset() if standardiser is None else standardiser.fine
    reader = Reader(task, tuple(columns or task.modalities), stated, fine=fine)
    dataset = reader.read(path, "file", need_target)
    if standardiser is not None:
        dataset.standardise(standardiser)
    return dataset


def _need_target(archive: Archive) -> None:
    if TARGET not in archive.reserved:
        raise ValueError(
            f"{archive.path}: expected the labels as an array named {TARGET!r}; it has "
            f"{', '.join((*archive.names, *archive.reserved))}"
        )


def _selected(modalities: Sequence[str] | None, archive: Archive) -> tuple[str, ...]:
    """Return the modalities to use, checked against the training file."""
    if modalities is None:
        return archive.names
    names = check_names(modalities)
    for name in names:
        if name in RESERVED:
            raise ValueError(f"modalities: {name!r} is kept for {', '.join(RESERVED)}")
        if name not in archive.names:
            raise ValueError(
                f"modalities: {archive.path} has no array {name!r}; {nearest(name, archive.names)}"
            )
    return names


def _stated(kinds: Mapping[str, str], archive: Archive) -> dict[str, Layout]:
    stated = {}
    for name, kind in kinds.items():
        if name not in archive.names:
            raise ValueError(
                f"kinds: {archive.path} has no array {name!r}; {nearest(name, archive.names)}"
            )
        try:
            stated[name] = parse_kind(kind)
        except ValueError as error:
            raise ValueError(f"kinds: {name}: {error}") from error
    return stated


def _training(
    path: str, table: Table, names: tuple[str, ...], stated: Mapping[str, Layout]
) -> tuple[Task, dict[str, Tensor], list[str]]:
    """Return the task, the arrays channels first, and what was guessed of them."""
    inputs, arrays, notes = [], {}, []
    for name in names:
        array = table.arrays.pop(name)
        shape = array.shape[1:]
        try:
            layout = stated.get(name) or guess(shape)
            inputs.append(Modality(name, layout.kind, layout.shape(shape)))
        except ValueError as error:
            raise ValueError(f"{path}: modality {name}: {error}") from error
        arrays[name] = _arranged(array, layout)
        if layout.guessed:
            notes.append(
                f"{name} ({_by(shape)}) read as {layout.kind} {_by(inputs[-1].shape)}, channels "
                "first; --data.kinds changes that"
            )
    assert table.target is not None
    labels = np.unique(table.target)
    if len(labels) < 2:
        raise ValueError(
            f"{path}: every label is {text(labels[0])!r}; expected at least two classes"
        )
    return Task(tuple(inputs), tuple(text(label) for label in labels)), arrays, notes


def _arranged(array: Array, layout: Layout) -> Tensor:
    """Return the array channels first; a view of it where nothing moves."""
    shape = layout.shape(array.shape[1:])
    if layout.channels_last:
        array = np.ascontiguousarray(np.moveaxis(array, -1, 1))
    return torch.from_numpy(array.reshape(len(array), *shape))


def _target(path: str, labels: Array, classes: tuple[str, ...]) -> Tensor:
    """Return the number of each label's class."""
    found, inverse = np.unique(labels, return_inverse=True)
    numbers = {name: number for number, name in enumerate(classes)}
    for label in found:
        if text(label) not in numbers:
            row = int(np.flatnonzero(labels == label)[0])
            raise ValueError(
                f"{path}: row {row} has the label {text(label)!r}, which training never had; "
                f"{nearest(text(label), classes)}"
            )
    codes = np.array([numbers[text(label)] for label in found], dtype=np.int64)
    return torch.from_numpy(codes[inverse.reshape(-1)])


def _parted(
    path: str,
    share: float,
    task: Task,
    arrays: dict[str, Tensor],
    present: Tensor,
    target: Tensor,
    samples: Sequence[str] | None,
    seed: int,
) -> tuple[ArrayDataset, ArrayDataset]:
    """Hold a share of the training rows out, one array at a time."""
    if not 0 < share < 1:
        raise ValueError(f"expected val_share between 0 and 1, got {share}")
    # Of each modality that some rows lack one row stays, so that training has all of them.
    kept = torch.zeros(len(target), dtype=torch.bool)
    kept[present.int().argmax(0)[~present.all(0)]] = True
    held = hold_out(target, share, generator(seed, "split"), kept)
    if not held.any():
        raise ValueError(
            f"{path}: {len(target)} rows in {len(task.classes)} classes are too few to "
            f"hold {100 * share:g} % out for validation; give val, or raise val_share"
        )
    sides = [(~held).nonzero().flatten(), held.nonzero().flatten()]
    taken: list[dict[str, Tensor]] = [{}, {}]
    for name in task.modalities:
        array = arrays.pop(name)
        for rows, side in zip(sides, taken, strict=True):
            side[name] = array[rows]
    train, val = (
        ArrayDataset(
            task,
            side,
            present[rows],
            target[rows],
            None if samples is None else [samples[row] for row in rows.tolist()],
        )
        for rows, side in zip(sides, taken, strict=True)
    )
    return train, val


def _left_out(role: str, table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """Say how many rows have nothing of what is used."""
    if not table.left_out:
        return ()
    rows = table.rows + table.left_out
    return (f"{role}: {table.left_out} of {rows} rows have none of {', '.join(names)}: left out",)


def _absences(role: str, present: Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """Say what is missing how often; of many modalities, in one sentence."""
    missing = (~present).sum(0).tolist()
    some = [gone for gone in missing if gone]
    if len(some) > MOST_NOTES:
        return (
            f"{role}: {len(some)} of {len(names)} modalities are absent in some rows, in "
            f"{min(some)} to {max(some)} of {len(present)}",
        )
    return tuple(
        f"{role}: {name} is absent in {'all' if gone == len(present) else gone} of "
        f"{len(present)} rows"
        for name, gone in zip(names, missing, strict=True)
        if gone
    )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)
