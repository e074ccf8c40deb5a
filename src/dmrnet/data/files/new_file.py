"""Reading one more ``.npz`` file as a finished training reads its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import UNLABELLED, ArrayDataset
from dmrnet.data.files.archive import Archive, Array
from dmrnet.data.files.layout import Layout, matching_layout, parse_kind
from dmrnet.data.files.table import SampleTable, read_table, text
from dmrnet.data.standardise import Standardiser
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task

MOST_NOTES = 4
"""Above this number of absent modalities, one sentence covers all of them."""


@dataclass(frozen=True)
class FileReader:
    """Reads a file as the training file was read.

    Attributes:
        task: Modalities and classes of the training.
        columns: Every array of the training file in its order.
        stated: Layouts that the settings state, by modality.
        shapes: Shape of one sample in the training file, by modality; empty where it is not known.
        fine: Modalities that stay in float64 until they are standardised.
    """

    task: Task
    columns: tuple[str, ...]
    stated: Mapping[str, Layout]
    shapes: Mapping[str, tuple[int, ...]]
    fine: frozenset[str]

    def read(self, path: str, role: str, need_target: bool = True) -> ArrayDataset:
        """Return the samples of a file; `role` is the name of the split, for notes."""
        archive = Archive(path)
        archive.check_known(self.columns)
        if need_target:
            archive.check_target()
        table = read_table(archive, self.task.modalities, self.columns, self.fine)
        arrays = {}
        for modality in self.task.inputs:
            array = table.arrays.pop(modality.name, None)
            if array is None:
                zeros = torch.zeros(1, *modality.shape)
                arrays[modality.name] = zeros.expand(table.rows, *modality.shape)
            else:
                arrays[modality.name] = arranged(array, self._layout(path, array, modality))
        target = torch.full((table.rows,), UNLABELLED)
        if table.target is not None:
            target = class_numbers(path, table.target, self.task.classes)
        present = torch.from_numpy(table.present)
        notes = absence_notes(role, table, present, self.task.modalities)
        return ArrayDataset(self.task, arrays, present, target, table.samples, notes)

    def _layout(self, path: str, array: Array, modality: Modality) -> Layout:
        shape, expected = array.shape[1:], self.shapes.get(modality.name)
        if expected is not None and shape != expected:
            raise ValueError(
                f"{path}: modality {modality.name}: expected samples of shape {expected} as in "
                f"the training file, got {shape}"
            )
        try:
            return matching_layout(shape, modality, self.stated.get(modality.name))
        except ValueError as error:
            raise ValueError(f"{path}: modality {modality.name}: {error}") from error


def read_split(
    path: str,
    task: Task,
    standardiser: Standardiser | None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    need_target: bool = True,
) -> ArrayDataset:
    """Read one more file as a finished training reads its own; see `DataSettings.read`.

    Args:
        path: ``.npz`` file.
        task: Modalities and classes of the training.
        standardiser: Standardiser of the training; None only converts the numbers to float32.
        kinds: Layouts by array, as in the settings of the training.
        columns: Every array of the training file in its order; None stands for those of the task.
        need_target: Whether the file must have labels ``y``; targets are -1 without them.

    Returns:
        The data set; its `notes` say what the file lacks.
    """
    stated = {name: parse_kind(kind) for name, kind in (kinds or {}).items()}
    fine = frozenset() if standardiser is None else standardiser.fine
    reader = FileReader(task, tuple(columns or task.modalities), stated, {}, fine)
    dataset = reader.read(path, "file", need_target)
    if standardiser is not None:
        dataset.standardise(standardiser)
    return dataset


def arranged(array: Array, layout: Layout) -> Tensor:
    """Return an array channels first; a view of it where nothing moves."""
    shape = layout.shape(array.shape[1:])
    if layout.channels_last:
        array = np.ascontiguousarray(np.moveaxis(array, -1, 1))
    return torch.from_numpy(array.reshape(len(array), *shape))


def class_numbers(path: str, labels: Array, classes: tuple[str, ...]) -> Tensor:
    """Return the number of each label's class, int64 ``(n,)``.

    Raises:
        ValueError: If a label is no class.
    """
    values, inverse = np.unique(labels, return_inverse=True)
    numbers = {name: number for number, name in enumerate(classes)}
    for value in values:
        if text(value) not in numbers:
            row = int(np.flatnonzero(labels == value)[0])
            raise ValueError(
                f"{path}: row {row} has the label {text(value)!r}, which training never had; "
                f"{nearest(text(value), classes)}"
            )
    codes = np.array([numbers[text(value)] for value in values], dtype=np.int64)
    return torch.from_numpy(codes[inverse.reshape(-1)])


def absence_notes(
    role: str, table: SampleTable, present: Tensor, names: Sequence[str]
) -> tuple[str, ...]:
    """Return sentences on rows that are left out, and on how often each modality is absent.

    `present` is bool ``(n, V)``, of a training file without the rows that are held out.
    """
    notes = []
    if table.left_out:
        rows = table.rows + table.left_out
        notes.append(
            f"{role}: {table.left_out} of {rows} rows have none of {', '.join(names)}: left out"
        )
    counts = (~present).sum(0).tolist()
    some = [count for count in counts if count]
    if len(some) > MOST_NOTES:
        notes.append(
            f"{role}: {len(some)} of {len(names)} modalities are absent in some rows, in "
            f"{min(some)} to {max(some)} of {len(present)}"
        )
    else:
        notes += [
            f"{role}: {name} is absent in {'all' if count == len(present) else count} of "
            f"{len(present)} rows"
            for name, count in zip(names, counts, strict=True)
            if count
        ]
    return tuple(notes)
