"""Reading the ``.npz`` files of a training, and more files as a finished training reads its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.concerns import absence_notes, class_notes, combination_notes, warnings_of
from dmrnet.data.checks.overlap import row_hashes
from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import skipped_notes
from dmrnet.data.files.arrays.disguise import constants
from dmrnet.data.files.arrays.ends import (
    ONE_LENGTH,
    Ends,
    SequenceRules,
    layout_of_ragged,
    padding_notes,
    steps_notes,
)
from dmrnet.data.files.arrays.labels import Choice, TargetColumn, known_target, learn_target
from dmrnet.data.files.arrays.layout import (
    Layout,
    guess_layout,
    matching_layout,
    parse_kind,
    reading_notes,
)
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.resize import Sizes, parse_size
from dmrnet.data.files.arrays.source import RESERVED, ArraySource
from dmrnet.data.files.sample_table import SampleTable, doubts_of, read_table
from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import cell_notes, count_missing
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.steps import ended, without_padding
from dmrnet.data.splits.groups import NO_GROUPS, known_groups
from dmrnet.data.splits.held_out import validation_of
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task, check_names
from dmrnet.targets import target_of


@dataclass(frozen=True)
class _FileReader:
    """Reads a file as the training file was read.

    Attributes:
        task: Modalities and classes of the training.
        columns: Every array of the training file in its order.
        stated: Layouts that the settings state, by modality.
        shapes: Shape of one sample in the training file, by modality; empty where it is not known.
        fine: Modalities that stay in float64 until they are standardised.
        cells: Whether rows may hold NaN, for cells that are missing.
        groups: Name of the array that holds the group of each row; None for the usual one.
        by_samples: Whether the names of the samples are the groups, as in the training file.
        absent: Number that stands for an absent block, by modality.
        sizes: Height and width to which images are resized, by modality.
        usual: Numbers that modalities are throughout training, where they do not vary there; None
            where nothing is known of the training's numbers.
        padding: Number that padded steps of a sequence hold, by modality.
    """

    task: Task
    columns: tuple[str, ...]
    stated: Mapping[str, Layout]
    shapes: Mapping[str, tuple[int, ...]]
    fine: frozenset[str]
    cells: bool = False
    groups: str | None = None
    by_samples: bool = False
    absent: Mapping[str, float] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=dict)
    usual: Mapping[str, float] | None = None
    padding: Mapping[str, float] = field(default_factory=dict)

    def read(self, source: str | ArraySource, role: str, need_target: bool = True) -> ArrayDataset:
        """Return the samples of a file; `role` is the name of the split, for notes."""
        archive = open_source(source, self.groups, self.sizes)
        path = archive.path
        archive.check_known(self.columns)
        if need_target:
            archive.check_target()
        table = read_table(
            archive,
            self.task.modalities,
            self.columns,
            self.fine,
            self.absent,
            need_target,
            self.cells,
            SequenceRules(self.stated, self.padding),
        )
        doubts = []
        if self.usual is not None:
            doubts = doubts_of(role, archive, table, self.task.modalities, self.usual)
        arrays, inputs = {}, []
        for name, modality in zip(self.task.modalities, self.task.inputs, strict=True):
            inputs.append(modality)
            if name not in table.arrays:
                arrays[name] = torch.zeros(1, *modality.shape).expand(table.rows, *modality.shape)
                continue
            array = table.arrays.pop(name)
            shape = array.shape[1:]
            if modality.ragged:
                stated, ends = self.stated.get(name), table.ends.get(name)
                layout = layout_of_ragged(path, array.shape[1:], modality, stated, ends)
                arrays[name] = arranged(array, layout, ends)
                inputs[-1] = replace(modality, shape=layout.shape(array.shape[1:]))
                continue
            if name in table.ends:
                shorter = ONE_LENGTH.format(modality.shape[-1])
                raise ValueError(f"{path}: modality {name}: {shorter}")
            try:
                if shape != (expected := self.shapes.get(name, shape)):
                    raise ValueError(
                        f"expected samples of shape {expected} as in the training file, got {shape}"
                    )
                layout = matching_layout(shape, modality, self.stated.get(name))
            except ValueError as error:
                raise ValueError(f"{path}: modality {name}: {error}") from error
            arrays[name] = arranged(array, layout)
        target = target_of(self.task).unlabelled(table.rows, self.task)
        if table.target is not None:
            target = known_target(path, table.target, self.task)
        present = torch.from_numpy(table.present)
        notes = absence_notes(
            role, present, self.task.modalities, table.left_out, table.rows + table.left_out
        )
        notes += steps_notes(role, inputs, table.ends)
        notes += cell_notes(role, count_missing(arrays, present, inputs)) if self.cells else []
        task = replace(self.task, inputs=tuple(inputs))
        part = ArrayDataset(task, arrays, present, target, table.samples, tuple(notes))
        part.groups = groups_of(table, self.groups, self.by_samples)
        part.warnings = (*skipped_notes(table.skipped), *doubts)
        part.skipped = table.skipped
        if table.file_rows is not None:
            part.file_rows = torch.from_numpy(table.file_rows)
            part.rows_in_file = table.rows + table.left_out + len(table.skipped)
        return part


def read_split(
    source: str | Path | ArraySource,
    task: Task,
    standardiser: Standardiser | None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    need_target: bool = True,
    groups: str | None = None,
    absent: Mapping[str, float] | None = None,
    size: str | None = None,
    padding: Mapping[str, float] | None = None,
) -> ArrayDataset:
    """Read one more file as a finished training reads its own; see `DataSettings.read`.

    Args:
        source: ``.npz`` file, or arrays in Python.
        task: Modalities and classes of the training.
        standardiser: Standardiser of the training; None only converts the numbers to float32.
        kinds: Layouts by array, as in the settings of the training.
        columns: Every array of the training file in its order; None stands for those of the task.
        groups: Name of the array that holds the group of each row, as in the settings of the
            training.
        need_target: Whether the file must have labels ``y``; else they are not read, and targets
            are -1.
        absent: Number that stands for an absent block, by modality.
        size: Size of images, as in the settings of `arrays`.
        padding: Number that padded steps of a sequence hold, by modality.

    Returns:
        The data set; its `notes` say what the file lacks, its `warnings` what is probably wrong.
    """
    stated = {name: parse_kind(kind) for name, kind in (kinds or {}).items()}
    fine, usual, cells = frozenset[str](), None, False
    if standardiser is not None:
        fine, usual = standardiser.fine, standardiser.constants()
        cells, task = standardiser.imputer is not None, standardiser.without_flags(task)
    known = tuple(columns or task.modalities)
    reader = _FileReader(
        task,
        known,
        stated,
        {},
        fine,
        cells,
        groups,
        absent=absent or {},
        sizes=parse_size(size),
        usual=usual,
        padding=padding or {},
    )
    source = str(source) if isinstance(source, Path) else source
    dataset = reader.read(source, "file", need_target)
    if need_target:
        dataset.row_hashes = _hashes_of(dataset)
    if standardiser is not None:
        dataset.standardise(standardiser)
    return dataset


def arranged(array: Array, layout: Layout, ends: Ends | None = None) -> Tensor:
    """Return an array channels first, NaN after ends; a view of it where nothing changes."""
    shape = layout.shape(array.shape[1:])
    if layout.channels_last:
        array = np.ascontiguousarray(np.moveaxis(array, -1, 1))
    tensor = torch.from_numpy(array.reshape(len(array), *shape))
    return tensor if ends is None else ended(tensor, torch.from_numpy(ends.lengths))


def read_splits(
    train: str | ArraySource,
    val: str | ArraySource | None,
    test: str | ArraySource | None,
    seed: int,
    val_share: float = 0.2,
    modalities: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    groups: str | None = None,
    absent: Mapping[str, float] | None = None,
    cells: Cells = "refuse",
    size: str | None = None,
    padding: Mapping[str, float] | None = None,
    target: Choice = "auto",
    labels: Sequence[str] | None = None,
) -> Splits:
    """Read the files of a training; the numbers are not standardised.

    Args:
        train: Training file, or arrays in Python; so are the others.
        val: Validation file; None holds out a share of the training rows.
        test: Test file, if there is one.
        seed: Seed of the rows that are held out.
        val_share: Share of the training rows to hold out.
        modalities: Arrays to use, in this order; None uses every array of the training file.
        kinds: Layouts by array, as in the settings of `arrays`.
        groups: Name of the array that holds the group of each row, as in the settings of `arrays`.
        absent: Number that stands for an absent block, by modality.
        cells: Replacement of missing cells.
        size: Size to which images are resized, as in the settings of `arrays`.
        padding: Number that padded steps of a sequence hold, by modality.
        target: Kind of ``y``; see `learn_target`.
        labels: Names of the columns of ``y``, or ordered classes.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file or an argument is wrong; the message says which and where.
    """
    sizes, absent, padding = parse_size(size), absent or {}, padding or {}
    archive = open_source(train, groups, sizes)
    _check_arrays("size", filter(None, sizes), archive)
    archive.check_target()
    check_groups(archive, groups)
    names = _selected(modalities, archive)
    filled = cells != "refuse"
    _check_arrays("absent", absent, archive)
    _check_arrays("padding", padding, archive)
    stated = _stated(kinds or {}, archive)
    table = read_table(
        archive,
        names,
        archive.names,
        absent=absent,
        cells=filled,
        sequences=SequenceRules(stated, padding),
    )
    never = np.flatnonzero(table.present.sum(0) == 0)
    if len(never):
        raise ValueError(
            f"{archive.path}: modality {names[never[0]]} is absent in every row, so "
            "nothing can be learnt of it; leave it out with modalities"
        )
    shapes = {name: array.shape[1:] for name, array in table.arrays.items()}
    doubts = doubts_of("train", archive, table, names)
    usual = constants(
        table.arrays, {name: table.present[:, column] for column, name in enumerate(names)}
    )
    assert table.target is not None
    column = learn_target(archive.path, table.target, target, labels)
    training, notes = _training(table, names, stated, column)
    task = training.task
    doubts += padding_notes("train", task.inputs, training.arrays, training.present, archive)
    if archive.weights is not None:
        training.weight = torch.from_numpy(archive.weights)
    training.groups = groups_of(table, groups)
    fine = frozenset(name for name in names if training.arrays[name].dtype == torch.float64)
    by_samples = table.groups is None and training.groups is not None
    reader = _FileReader(
        task,
        archive.names,
        stated,
        shapes,
        fine,
        filled,
        groups,
        by_samples,
        absent,
        sizes,
        usual,
        padding,
    )
    if val is None:
        training, validation = validation_of(archive.path, training, val_share, seed)
        named = "samples, whose names repeat" if by_samples else archive.groups
        notes.append(_held_out_note(training, validation, val_share, seed, named))
    else:
        validation = reader.read(val, "val")
    testing = None if test is None else reader.read(test, "test")
    whole = table.rows + table.left_out
    notes.extend(absence_notes("train", training.present, names, table.left_out, whole))
    notes.extend(combination_notes(training.present, names))
    notes.extend(class_notes(training))
    notes.extend(steps_notes("train", task.inputs, table.ends))
    if filled:
        missing = count_missing(training.arrays, training.present, task.inputs)
        notes.extend(cell_notes("train", missing, cells))
    notes.extend(validation.notes)
    notes.extend(testing.notes if testing else ())
    training.warnings = tuple(doubts)
    for part in (training, validation, testing):
        if part is not None:
            part.row_hashes = _hashes_of(part)
    return Splits(
        "arrays",
        training,
        validation,
        testing,
        tuple(notes),
        columns=archive.names,
        whole_labels=column.whole,
        warnings=warnings_of(training, validation, testing),
        cells=cells,
    )


def _held_out_note(
    training: ArrayDataset, validation: ArrayDataset, val_share: float, seed: int, groups: str
) -> str:
    """Return the note on rows that are held out; `groups` names what their groups are."""
    share = f"val: {100 * val_share:g} % of train held out"
    if validation.groups is None:
        return f"{share} ({len(validation)} rows, seed {seed})"
    kept, held = len(set(training.groups or ())), len(set(validation.groups))
    return (
        f"{share} in whole groups ({held} of {kept + held} groups, {len(validation)} rows, "
        f"seed {seed}); groups are those of {groups}"
    )


def _hashes_of(part: ArrayDataset) -> Tensor:
    """Return the hashes of the rows of a split, as its file has them."""
    blocks = [without_padding(part.arrays[one.name], one) for one in part.task.inputs]
    return row_hashes(blocks, part.present)


def check_groups(archive: ArraySource, groups: str | None) -> None:
    """Raise ValueError if the training file lacks the array of groups that a setting names."""
    if groups not in (None, NO_GROUPS, *archive.reserved):
        named = [*archive.reserved, *archive.names]
        raise ValueError(
            f"groups: {archive.path} has no array {groups!r}; {nearest(str(groups), named)}"
        )


def groups_of(
    table: SampleTable, setting: str | None, by_samples: bool | None = None
) -> tuple[str, ...] | None:
    """Return the group of each row; None where rows are independent.

    A row whose group is not known, empty text or NaN, is a group of its own.

    Args:
        table: Content of the file.
        setting: Name of the array of groups, as in the settings of `arrays`.
        by_samples: Whether the names of the samples are groups; None: if they repeat.
    """
    groups = table.groups
    if setting == NO_GROUPS:
        return None
    if groups is None and table.samples is not None:
        repeat = len(set(table.samples)) < len(table.samples) and setting is None
        groups = table.samples if (repeat if by_samples is None else by_samples) else None
    return groups and known_groups(groups)


def _selected(modalities: Sequence[str] | None, archive: ArraySource) -> tuple[str, ...]:
    """Return the modalities to use, checked against the training file."""
    if modalities is None:
        return archive.names
    names = check_names(modalities)
    for name in names:
        if name in RESERVED:
            raise ValueError(f"modalities: {name!r} is kept for {', '.join(RESERVED)}")
        _check_arrays("modalities", [name], archive)
    return names


def _check_arrays(setting: str, names: Iterable[str], archive: ArraySource) -> None:
    """Raise ValueError if the training file lacks an array that a setting names."""
    for name in names:
        if name not in archive.names:
            raise ValueError(
                f"{setting}: {archive.path} has no array {name!r}; {nearest(name, archive.names)}"
            )


def _stated(kinds: Mapping[str, str], archive: ArraySource) -> dict[str, Layout]:
    """Return the layouts that the settings state, checked against the training file."""
    stated = {}
    for name, kind in kinds.items():
        _check_arrays("kinds", [name], archive)
        try:
            stated[name] = parse_kind(kind)
        except ValueError as error:
            raise ValueError(f"kinds: {name}: {error}") from error
    return stated


def _training(
    table: SampleTable,
    names: tuple[str, ...],
    stated: Mapping[str, Layout],
    column: TargetColumn,
) -> tuple[ArrayDataset, list[str]]:
    """Return the training rows, and notes on guessed layouts; the table loses its arrays."""
    inputs, arrays = [], {}
    read_as: dict[str, tuple[tuple[int, ...], Layout]] = {}
    for name in names:
        array = table.arrays.pop(name)
        shape, ends = array.shape[1:], table.ends.get(name)
        try:
            layout = ends.layout if ends else stated.get(name) or guess_layout(shape, name)
            inputs.append(Modality(name, layout.kind, layout.shape(shape), ragged=bool(ends)))
        except ValueError as error:
            raise ValueError(f"{table.path}: modality {name}: {error}") from error
        arrays[name] = arranged(array, layout, ends)
        read_as[name] = shape, layout
    try:
        task = Task(tuple(inputs), column.classes, target=column.target)
    except ValueError as error:
        raise ValueError(f"{table.path}: {error}") from error
    present = torch.from_numpy(table.present)
    notes = [*reading_notes(read_as), *column.notes]
    return ArrayDataset(task, arrays, present, column.values, table.samples), notes
