"""Samples that are read one by one while they are used: a map-style data set of the user's own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.disguise import absent_rows, block_notes
from dmrnet.data.files.arrays.ends import find_ends
from dmrnet.data.files.arrays.labels import (
    Choice,
    check_target,
    known_target,
    listed_labels,
)
from dmrnet.data.files.arrays.layout import (
    Layout,
    parse_kind,
)
from dmrnet.data.files.arrays.numbers import FILL_IN, Array
from dmrnet.data.files.arrays.objects import as_array, padded, plain_label
from dmrnet.data.files.reading import arranged
from dmrnet.data.inputs.cells import MissingCells, gaps
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.steps import trimmed
from dmrnet.data.python.item_summary import Item, Summary
from dmrnet.data.python.key import GivenData
from dmrnet.data.python.records import label_axes, labels_of_python, record
from dmrnet.data.splits.groups import known_groups
from dmrnet.data.volumes.options import own_volumes
from dmrnet.hints import nearest
from dmrnet.modalities import Batch, Task
from dmrnet.targets import target_of


class LazyDataset(GivenData):
    """Samples that are read when they are needed, from a map-style data set such as torch's.

    Before training all samples are read once, for their modalities and labels, and the training
    samples once more, for the mean and deviation of each modality. In training they are read in
    every epoch, by ``num_workers`` processes.

    Args:
        items: Object with ``len(items)`` and ``items[i]``, which is a mapping from modalities to
            arrays, or a pair of one and a label. A modality is absent if the mapping lacks it, or
            if it is None or nothing but NaN. Worker processes need to pickle the object.
        y: Key of the label in the mappings; None for pairs. Labels are as in `MultimodalDataset`.
        kinds: Layout of modalities whose shape is ambiguous; see `MultimodalDataset`.
        workers: Number of processes that read before training.
        groups: Group of each sample, such as its patient, ``(n,)``; see `MultimodalDataset`.
        absent: Number that stands for an absent block, by modality; see `MultimodalDataset`.
        target: What labels are; see `MultimodalDataset`.
        labels: Names of the columns of labels, or ordered classes.
        volumes: See `MultimodalDataset`; sizes of volumes and of images with a class for every
            pixel may differ, memory maps are read where needed.
        name: Name of the data, for messages and reports.
    """

    bad_rows: BadRows = "refuse"

    def __init__(
        self,
        items: Any,  # noqa: ANN401
        y: str | None = None,
        *,
        kinds: Mapping[str, str] | None = None,
        workers: int = 0,
        groups: Sequence[Any] | None = None,
        absent: Mapping[str, float] | None = None,
        target: Choice = "auto",
        labels: Sequence[str] | None = None,
        volumes: Mapping[str, Any] | None = None,
        name: str = "data",
    ) -> None:
        if not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
            raise TypeError(
                f"expected items with len() and [i], got {type(items).__name__}; read an iterable "
                "with MultimodalDataset.from_records"
            )
        if not len(items):
            raise ValueError("expected at least one sample, got none")
        self.items, self.y, self.kinds, self.workers = items, y, dict(kinds or {}), workers
        self.absent = dict(absent or {})
        self.path = name
        self.groups = None if groups is None else known_groups(groups)
        if self.groups is not None and len(self.groups) != len(items):
            raise ValueError(
                f"expected {len(items)} groups, one per sample, got {len(self.groups)}"
            )
        self.target, self.labels = check_target(target, labels)
        self.volumes = own_volumes(volumes)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.items)

    def __repr__(self) -> str:
        """Return the number of samples; nothing is read."""
        return f"{type(self).__name__}({len(self)} samples of {type(self.items).__name__})"

    def __getitem__(self, row: int) -> Item:
        """Return the arrays of a sample that it has, and its label or None."""
        values, label = self.raw(row)
        inputs = {}
        for name, value in values.items():
            array = as_array(value)
            if array is None and value is not None:
                raise ValueError(
                    f"sample {row}, modality {name}: expected an array, got a "
                    f"{type(value).__name__} whose rows differ in length; pad them"
                )
            if array is None:
                continue
            if array.dtype.kind not in "biuf":
                raise TypeError(
                    f"sample {row}, modality {name}: expected numbers, got {array.dtype}"
                )
            array = np.asarray(array, dtype=np.float32)
            if np.isnan(array).all() or (
                name in self.absent and absent_rows(array[None], self.absent[name])[0]
            ):
                continue
            array = self._cut(name, array)
            if np.isinf(array).any():
                raise ValueError(
                    f"sample {row}, modality {name}: it holds infinity; mend the value, or leave "
                    "the modality out"
                )
            inputs[name] = array
        if not inputs:
            raise ValueError(f"sample {row} has no modality; leave such samples out")
        return inputs, plain_label(label)

    def raw(self, row: int) -> tuple[dict[str, Any], Any]:
        """Return the values of a sample as they are given, and its label or None."""
        try:
            values, label = record(self.items[row])
        except Exception as error:
            # The error is the user's own; where it was raised stands below it.
            error.add_note(f"raised by sample {row} of {self.path}")
            raise
        if self.y is not None:
            label = values.get(self.y)
        return {name: value for name, value in values.items() if name != self.y}, label

    @cached_property
    def label_axes(self) -> int:
        """2 if the labels are a class for every pixel, 3 for every voxel, 0 for other labels."""
        if self.target not in ("auto", "classes"):
            return 0
        return label_axes(*self.raw(0))

    def labels_of(self, rows: Tensor) -> Array:
        """Return the labels of some samples, numbers or text.

        Raises:
            ValueError: If a sample has none.
        """
        return labels_of_python(listed_labels(self.path, self.summary.labels, rows.tolist()))

    def _cut(self, name: str, array: Array) -> Array:
        """Return a sequence without the steps of NaN after its end; anything else unchanged."""
        if array.ndim > 2 or not np.isnan(array).any():
            return array
        stated = self.kinds.get(name)
        one, _ = find_ends(name, array[None], parse_kind(stated) if stated else None)
        return np.asarray(one[0])

    def where_absent(self, absent: Mapping[str, float]) -> Self:
        """Return the same samples where further numbers stand for absent blocks."""
        if all(self.absent.get(name) == value for name, value in absent.items()):
            return self
        made = copy(self)
        made.absent = {**absent, **self.absent}
        made.__dict__.pop("summary", None)
        return made

    def with_options(self, absent: Mapping[str, float], bad_rows: BadRows) -> Self:
        """Return the same samples, read with these options."""
        made = copy(self.where_absent(absent))
        if bad_rows != made.bad_rows:
            made.bad_rows = bad_rows
            made.__dict__.pop("summary", None)
        return made

    def setting(self, name: str, modality: str, value: float) -> str:
        """Return how a setting by modality is written in Python."""
        return f"{name}={{{modality!r}: {value:g}}} of LazyDataset"

    def get(self, rows: Sequence[int]) -> list[Item]:
        """Return some samples."""
        return [self[row] for row in rows]

    @cached_property
    def summary(self) -> Summary:
        """Modalities, labels and shapes of all samples; the first call reads them."""
        return Summary.of(self)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of all samples."""
        from dmrnet.data.volumes.sources import dense_digest

        content = dense_digest(self) or self.summary.digest
        digest = blake2b(content.encode(), digest_size=4)
        digest.update(repr((self.y, sorted(self.kinds.items()), *self.stated)).encode())
        if self.groups is not None:
            digest.update(repr(self.groups).encode())
        if self.absent:
            digest.update(repr(sorted(self.absent.items())).encode())
        return digest.hexdigest()


class ItemRows(Dataset):
    """Some samples of a `LazyDataset`, standardised when they are taken.

    Args:
        data: The samples.
        rows: int64 ``(n,)``, row numbers of the samples of this split.
        task: Modalities in order, and classes.
        layouts: Layout of each modality.
        need_target: Whether every sample must have a label that the task knows.
        cells: Whether samples may hold NaN, for cells that are missing.

    Raises:
        ValueError: If a sample has a modality or a label that the task does not know, or NaN in
            part of a modality without `cells`.
    """

    def __init__(
        self,
        data: LazyDataset,
        rows: Tensor,
        task: Task,
        layouts: Mapping[str, Layout],
        need_target: bool = True,
        cells: bool = False,
    ) -> None:
        self.data, self.rows, self.task, self.layouts = data, rows, task, dict(layouts)
        self.standardiser: Standardiser | None = None
        summary = data.summary
        for name in summary.shapes:
            if name not in task.modalities:
                raise ValueError(
                    f"{data.path}: training had no modality {name!r}, so nothing is known of it; "
                    f"{nearest(name, task.modalities)}"
                )
        self.present = torch.tensor(
            [[name in summary.row_shapes[row] for name in task.modalities] for row in rows.tolist()]
        )
        for name, counts in summary.missing.items():
            some = [row for row in rows.tolist() if row in counts]
            if some and not cells:
                raise ValueError(
                    f"{data.path}: sample {some[0]}, modality {name}"
                    f"{f' (and {len(some) - 1} more)' if some[1:] else ''}: it holds NaN in part "
                    f"of its numbers; {FILL_IN}"
                )
        self.row_hashes = torch.tensor(
            [
                [summary.hashes[row].get(name, 0) for name in task.modalities]
                for row in rows.tolist()
            ]
        )
        if data.groups is not None:
            self.groups = tuple(data.groups[row] for row in rows.tolist())
        if need_target:
            self.target = known_target(data.path, data.labels_of(rows), task)
        else:
            self.target = target_of(task).unlabelled(len(rows), task)
        self._content = f"{summary.digest}-{blake2b(rows.numpy().data, digest_size=4).hexdigest()}"

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read some samples."""
        samples = self.data.get(self.rows[rows].tolist())
        inputs = {}
        for modality in self.task.inputs:
            name, layout = modality.name, self.layouts.get(modality.name)
            x = torch.zeros(len(rows), *modality.shape)
            at = [k for k, (arrays, _) in enumerate(samples) if name in arrays]
            if at and layout is not None:
                arrays = [samples[k][0][name] for k in at]
                if modality.ragged:
                    arrays = [padded(array, self.data.summary.shapes[name]) for array in arrays]
                values = arranged(np.stack(arrays), layout)
                if self.standardiser is not None:
                    filled = self.standardiser.imputer is not None
                    if not filled and gaps(values, modality.ragged).any():
                        # An item that was another one when it was first read.
                        raise ValueError(f"modality {name}: NaN in part of a sample; {FILL_IN}")
                    values = self.standardiser.apply(name, values)
                x[torch.tensor(at)] = values
            inputs[name] = x
        return self._batch(inputs if self.steps is None else trimmed(inputs, self.task), rows)

    def standardise(self, standardiser: Standardiser | None) -> None:
        """Standardise samples from now on; indicators of missing cells become part of the task."""
        self.standardiser = standardiser
        if standardiser is not None:
            self.task = standardiser.with_flags(self.task)
            self.steps = self._steps()

    def lengths(self, name: str) -> list[int]:
        """Return the number of steps of each sample that has a ragged modality."""
        shapes, layout = self.data.summary.row_shapes, self.layouts[name]
        found = (shapes[row].get(name) for row in self.rows.tolist())
        return [layout.shape(shape)[1] for shape in found if shape is not None]

    def _steps(self) -> Tensor | None:
        ragged = [one.name for one in self.task.inputs if one.ragged]
        if not ragged:
            return None
        steps = torch.zeros(len(self), dtype=torch.int64)
        for name in ragged:
            if name in self.layouts:
                has = self.present[:, self.task.modalities.index(name)]
                steps[has] += torch.tensor(self.lengths(name))
        return steps

    def doubts(self, role: str, usual: Mapping[str, float] | None) -> tuple[str, ...]:
        """Return sentences on modalities that are probably absent; see `disguise_notes`."""
        notes = []
        for column, name in enumerate(self.task.modalities):
            constant = self.data.summary.constant.get(name, {})
            counts = Counter(constant[row] for row in self.rows.tolist() if row in constant)
            rows = int(self.present[:, column].sum())
            notes += block_notes(name, dict(counts.most_common()), rows, usual, self.data.setting)
        return tuple(f"{role}: {note}" for note in notes)

    def missing_cells(self) -> dict[str, MissingCells]:
        """Count the missing cells of each modality; those without any are left out."""
        counted = {}
        for column, name in enumerate(self.task.modalities):
            missing = self.data.summary.missing.get(name, {})
            counts = [missing[row] for row in self.rows.tolist() if row in missing]
            if counts:
                of = int(self.present[:, column].sum())
                shapes = self.data.summary.row_shapes
                numbers = sum(
                    math.prod(shapes[row][name])
                    for row in self.rows.tolist()
                    if name in shapes[row]
                )
                counted[name] = MissingCells(len(counts), of, sum(counts) / numbers)
        return counted
