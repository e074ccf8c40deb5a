"""Reading the ``.npz`` files of a training: layouts, targets and splits are learnt from them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from dmrnet.data.checks.concerns import absence_notes, class_notes, combination_notes, warnings_of
from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.disguise import constants
from dmrnet.data.files.arrays.ends import padding_note, steps_notes
from dmrnet.data.files.arrays.labels import TargetColumn, learn_target
from dmrnet.data.files.arrays.layout import Layout, guess_layout, parse_kind, reading_notes
from dmrnet.data.files.arrays.source import RESERVED, ArraySource
from dmrnet.data.files.reading import FileReader, arranged, check_groups, groups_of, hashes_of
from dmrnet.data.files.rules import USUAL_RULES, FileRules
from dmrnet.data.files.sample_table import SampleTable, read_table
from dmrnet.data.inputs.cells import cell_notes, count_missing
from dmrnet.data.splits.held_out import validation_of
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task, check_names


def read_splits(
    train: str | ArraySource,
    val: str | ArraySource | None,
    test: str | ArraySource | None,
    seed: int,
    val_share: float = 0.2,
    rules: FileRules = USUAL_RULES,
) -> Splits:
    """Read the files of a training; the numbers are not standardised.

    Args:
        train: Training file, or arrays in Python; so are the others.
        val: Validation file; None holds out a share of the training rows.
        test: Test file, if there is one.
        seed: Seed of the rows that are held out.
        val_share: Share of the training rows to hold out.
        rules: Settings of the files.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file or an argument is wrong; the message says which and where.
    """
    archive = open_source(train, rules.groups, rules.sizes)
    names = _selected(rules, archive)
    table = read_table(archive, names, archive.names, rules, cells=rules.fills_cells)
    never = np.flatnonzero(table.present.sum(0) == 0)
    if len(never):
        raise ValueError(
            f"{archive.path}: modality {names[never[0]]} is absent in every row, so "
            "nothing can be learnt of it; leave it out with modalities"
        )
    shapes = {name: array.shape[1:] for name, array in table.arrays.items()}
    doubts = table.doubts(archive, names)
    usual = constants(table.arrays, dict(zip(names, table.present.T, strict=True)))
    assert table.target is not None
    column = learn_target(archive.path, table.target, rules.target, rules.labels)
    training, notes = _training(table, names, rules, column)
    doubts += _padding_doubts(training, archive)
    if archive.weights is not None:
        training.weight = torch.from_numpy(archive.weights)
    fine = frozenset(name for name in names if training.arrays[name].dtype == torch.float64)
    by_samples = table.groups is None and training.groups is not None
    task, filled = training.task, rules.fills_cells
    reader = FileReader(task, archive.names, rules, fine, filled, usual, shapes, by_samples)
    if val is None:
        training, validation = validation_of(archive.path, training, val_share, seed)
        named = "samples, whose names repeat" if by_samples else archive.groups
        notes.append(_held_out_note(training, validation, val_share, seed, named))
    else:
        validation = reader.read(val, "val")
    testing = None if test is None else reader.read(test, "test")
    notes += _training_notes(training, table, rules)
    training.warnings = tuple(f"train: {note}" for note in doubts)
    for part in (training, validation, testing):
        if part is not None:
            notes += part.notes
            part.row_hashes = hashes_of(part)
    return Splits(
        "arrays",
        training,
        validation,
        testing,
        tuple(notes),
        columns=archive.names,
        whole_labels=column.whole,
        warnings=warnings_of(training, validation, testing),
        cells=rules.cells,
    )


def _training_notes(training: ArrayDataset, table: SampleTable, rules: FileRules) -> list[str]:
    """Return sentences on the training rows that are left when some are held out."""
    task, present = training.task, training.present
    whole = table.rows + table.left_out
    notes = [
        *absence_notes("train", present, task.modalities, table.left_out, whole),
        *combination_notes(present, task.modalities),
        *class_notes(training),
        *steps_notes("train", task.inputs, table.ends),
    ]
    if rules.fills_cells:
        missing = count_missing(training.arrays, present, task.inputs)
        notes += cell_notes("train", missing, rules.cells)
    return notes


def _padding_doubts(training: ArrayDataset, archive: ArraySource) -> list[str]:
    """Return sentences on sequences of one length that end in steps of one number."""
    notes = []
    for column, one in enumerate(training.task.inputs):
        if one.kind == "sequence" and not one.ragged:
            rows = training.arrays[one.name][training.present[:, column]].numpy()
            notes.append(padding_note(one.name, rows, archive))
    return [note for note in notes if note]


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


def _selected(rules: FileRules, archive: ArraySource) -> tuple[str, ...]:
    """Return the modalities to use, after a check of all settings against the training file."""
    _check_arrays("size", filter(None, rules.sizes), archive)
    archive.check_target()
    check_groups(archive, rules.groups)
    names = archive.names if rules.modalities is None else check_names(rules.modalities)
    for name in names:
        if name in RESERVED:
            raise ValueError(f"modalities: {name!r} is kept for {', '.join(RESERVED)}")
        _check_arrays("modalities", [name], archive)
    _check_arrays("absent", rules.absent, archive)
    _check_arrays("padding", rules.padding, archive)
    for name, kind in rules.kinds.items():
        _check_arrays("kinds", [name], archive)
        try:
            parse_kind(kind)
        except ValueError as error:
            raise ValueError(f"kinds: {name}: {error}") from error
    return names


def _check_arrays(setting: str, names: Iterable[str], archive: ArraySource) -> None:
    """Raise ValueError if the training file lacks an array that a setting names."""
    for name in names:
        if name not in archive.names:
            raise ValueError(
                f"{setting}: {archive.path} has no array {name!r}; {nearest(name, archive.names)}"
            )


def _training(
    table: SampleTable,
    names: tuple[str, ...],
    rules: FileRules,
    column: TargetColumn,
) -> tuple[ArrayDataset, list[str]]:
    """Return the training rows, and notes on guessed layouts; the table loses its arrays."""
    inputs, arrays = [], {}
    read_as: dict[str, tuple[tuple[int, ...], Layout]] = {}
    for name in names:
        array = table.arrays.pop(name)
        shape, ends = array.shape[1:], table.ends.get(name)
        try:
            layout = ends.layout if ends else rules.layouts.get(name)
            layout = layout or guess_layout(shape, name)
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
    training = ArrayDataset(task, arrays, present, column.values, table.samples)
    training.groups = groups_of(table, rules.groups)
    return training, [*reading_notes(read_as), *column.notes]
