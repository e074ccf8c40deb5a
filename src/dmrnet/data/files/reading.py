"""Reading ``.npz`` files, or arrays in Python, as the training file of a run was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.concerns import absence_notes
from dmrnet.data.checks.overlap import row_hashes
from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import skipped_notes
from dmrnet.data.files.arrays.ends import Ends, layout_as_trained, steps_notes
from dmrnet.data.files.arrays.labels import known_target
from dmrnet.data.files.arrays.layout import Layout
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import ArraySource
from dmrnet.data.files.rules import FileRules
from dmrnet.data.files.sample_table import SampleTable, read_table
from dmrnet.data.inputs.cells import cell_notes, count_missing
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.steps import ended, without_padding
from dmrnet.data.splits.groups import NO_GROUPS, known_groups
from dmrnet.hints import nearest
from dmrnet.modalities import Task
from dmrnet.targets import target_of


@dataclass(frozen=True)
class FileReader:
    """Reads a file as the training file was read.

    Attributes:
        task: Modalities and classes of the training.
        columns: Every array of the training file in its order.
        rules: Settings of the files.
        fine: Modalities that stay in float64 until they are standardised.
        cells: Whether rows may hold NaN, for cells that are missing.
        usual: Numbers that modalities are throughout training, where they do not vary there; None
            where nothing is known of the training's numbers.
        shapes: Shape of one sample in the training file, by modality; empty where it is not known.
        by_samples: Whether the names of the samples are the groups, as in the training file.
    """

    task: Task
    columns: tuple[str, ...]
    rules: FileRules
    fine: frozenset[str] = frozenset()
    cells: bool = False
    usual: Mapping[str, float] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    by_samples: bool = False

    def read(self, source: str | ArraySource, role: str, need_target: bool = True) -> ArrayDataset:
        """Return the samples of a file; `role` is the name of the split, for notes."""
        rules = self.rules
        archive = open_source(source, rules.groups, rules.sizes)
        path = archive.path
        archive.check_known(self.columns)
        if need_target:
            archive.check_target()
        table = read_table(
            archive,
            self.task.modalities,
            self.columns,
            rules,
            fine=self.fine,
            cells=self.cells,
            labelled=need_target,
        )
        doubts = []
        if self.usual is not None:
            found = table.doubts(archive, self.task.modalities, self.usual)
            doubts = [f"{role}: {note}" for note in found]
        arrays, inputs = {}, []
        for name, modality in zip(self.task.modalities, self.task.inputs, strict=True):
            inputs.append(modality)
            if name not in table.arrays:
                arrays[name] = torch.zeros(1, *modality.shape).expand(table.rows, *modality.shape)
                continue
            array = table.arrays.pop(name)
            shape, ends = array.shape[1:], table.ends.get(name)
            known = rules.layouts.get(name) or (ends.layout if ends else None)
            expected, uneven = self.shapes.get(name), ends is not None
            layout = layout_as_trained(path, shape, modality, known, uneven, expected)
            arrays[name] = arranged(array, layout, ends)
            if modality.ragged:
                inputs[-1] = replace(modality, shape=layout.shape(shape))
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
        part.groups = groups_of(table, rules.groups, self.by_samples)
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
    rules = FileRules(kinds or {}, groups, absent or {}, size, padding or {})
    source = str(source) if isinstance(source, Path) else source
    return read_further(source, task, standardiser, rules, columns, need_target)


def read_further(
    source: str | ArraySource,
    task: Task,
    standardiser: Standardiser | None,
    rules: FileRules,
    columns: Sequence[str] | None = None,
    need_target: bool = True,
) -> ArrayDataset:
    """Do what `read_split` does, with all settings of the files as one argument."""
    known = tuple(columns or task.modalities)
    reader = FileReader(task, known, rules)
    if standardiser is not None:
        reader = FileReader(
            standardiser.without_flags(task),
            known,
            rules,
            standardiser.fine,
            standardiser.imputer is not None,
            standardiser.constants(),
        )
    dataset = reader.read(source, "file", need_target)
    if need_target:
        dataset.row_hashes = hashes_of(dataset)
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


def hashes_of(part: ArrayDataset) -> Tensor:
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
