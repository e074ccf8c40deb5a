"""Whole volumes with a class for every voxel, read when they are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.pixel_labels import class_numbers
from dmrnet.data.volumes.cases import Box, CaseIndex, Cases, Frame, read_case
from dmrnet.data.volumes.options import OwnVolumes
from dmrnet.modalities import Batch, Task

VOID = -1
"""Class of voxels without a label."""


class VolumeRows(Dataset):
    """Some cases of a data set, whole. They may differ in size: `take` one at a time then.

    Args:
        task: Modalities, with the size of a patch, and classes.
        cases: All cases.
        index: What is known of the cases of this split, in the order of `rows`.
        rows: int64 ``(n,)``, numbers of the cases of this split.
        options: Labels without a class, size of voxels, distance of empty regions, windows.
        standardiser: Standardises the numbers; None leaves them as they are.
        numbers: Label of each class; None where labels are the numbers of the classes. Labels below
            0 stand for no class.
        frame: Returns where a case, by its row in this split, was cut from; None where it is whole.
        path: Name of the data, for messages.
    """

    samples: tuple[str, ...]
    pixels: Tensor

    def __init__(
        self,
        task: Task,
        cases: Cases,
        index: CaseIndex,
        rows: Tensor,
        options: OwnVolumes,
        *,
        standardiser: Standardiser | None = None,
        numbers: Sequence[int] | None = None,
        frame: Callable[[int], Frame] | None = None,
        path: str = "volumes",
    ) -> None:
        if not len(rows) or len(rows) != len(index):
            raise ValueError(f"expected as many cases as rows, got {len(index)} and {len(rows)}")
        self.task, self.cases, self.index, self.rows = task, cases, index, rows
        self.standardiser, self.numbers, self.ignore = standardiser, numbers, options.ignore
        size = torch.tensor(options.spacing or [1.0, 1.0, 1.0], dtype=torch.float64)
        self.spacing = size.expand(len(rows), 3)
        self.empty_distance, self.overlap = options.empty_distance, options.overlap
        self.frame = frame
        self.path = path
        self.samples, self.groups = index.names, index.groups
        columns = [
            index.modalities.index(name) for name in task.modalities if name in index.channels
        ]
        known = [name in index.channels for name in task.modalities]
        self.present = torch.zeros(len(rows), len(task.modalities), dtype=torch.bool)
        self.present[:, torch.tensor(known)] = index.present[:, columns]
        self.pixels = index.voxels
        self.target = index.voxels.argmax(1)
        if index.hashes is not None:
            self.row_hashes = torch.zeros(self.present.shape, dtype=torch.int64)
            self.row_hashes[:, torch.tensor(known)] = index.hashes[:, columns]
        self._content = index.content

    def size(self, row: int) -> tuple[int, int, int]:
        """Return depth, height and width of a case, by its row in this split."""
        depth, height, width = self.index.sizes[row].tolist()
        return depth, height, width

    def empty(self, row: int) -> float:
        """Return the distance between a region of a case and none."""
        if self.empty_distance is not None:
            return self.empty_distance
        return float((self.index.sizes[row].double() * self.spacing[row]).norm())

    def read(self, row: int, box: Box | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """Read a case, or a part of it.

        Args:
            row: Row in this split.
            box: The part; None for all of it.

        Returns:
            float32 ``(C, d, h, w)`` of each modality, zeros where the case lacks it; classes, int64
            ``(d, h, w)``, -1 where a voxel has none.
        """
        number = int(self.rows[row])
        arrays, labels = read_case(self.path, self.cases, number, self.index.channels)
        box = box or tuple(slice(0, side) for side in self.size(row))  # type: ignore[assignment]
        assert box is not None
        shape = tuple(side.stop - side.start for side in box)
        inputs = {}
        for modality in self.task.inputs:
            array = arrays.get(modality.name)
            if array is None:
                inputs[modality.name] = torch.zeros(modality.shape[0], *shape)
                continue
            values = torch.from_numpy(np.array(array[(slice(None), *box)], dtype=np.float32))
            if self.standardiser is not None:
                values = self.standardiser.apply(modality.name, values[None])[0]
            inputs[modality.name] = values
        if labels is None:
            return inputs, torch.full(shape, VOID)
        return inputs, self.classes_of(labels[box])

    def classes_of(self, labels: Array) -> Tensor:
        """Return the class of each voxel, int64, -1 where it has none."""
        values = torch.from_numpy(np.array(labels, dtype=np.int64))
        values.masked_fill_(values == self.ignore, VOID)
        if self.numbers is None:
            return values.clamp_(min=VOID)
        return class_numbers(self.path, values[None], self.numbers)[0]

    def raw_labels(self, row: int) -> Array | None:
        """Return the labels of a case as they are stored."""
        return read_case(self.path, self.cases, int(self.rows[row]), self.index.channels)[1]

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read some cases of one size; the epoch does not matter."""
        sizes = {self.size(row) for row in rows.tolist()}
        if len(sizes) > 1:
            raise ValueError(f"expected cases of one size to read together, got {sorted(sizes)}")
        read = [self.read(row) for row in rows.tolist()]
        inputs = {
            name: torch.stack([values[name] for values, _ in read]) for name in self.task.modalities
        }
        return self._batch(inputs, rows, torch.stack([labels for _, labels in read]))
