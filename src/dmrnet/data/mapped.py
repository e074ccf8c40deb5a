"""Data sets that are larger than memory: rows are read from files when they are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dense import LabelledImages
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.inputs.views import View
from dmrnet.modalities import Batch, Task
from dmrnet.targets.classes import check_classes


class MappedArray:
    """An array whose rows are read when they are taken.

    Args:
        array: Memory map, which every process opens for itself; or an array in memory.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.path = array.filename if isinstance(array, np.memmap) else None

    def take(self, rows: Tensor) -> Tensor:
        """Return a copy of some rows, given as an int64 tensor ``(b,)``."""
        values = np.ascontiguousarray(self.array[rows.numpy()])
        # Torch hardly supports uint16.
        return torch.from_numpy(values.astype(np.int32) if values.dtype == np.uint16 else values)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "array": None if self.path else self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.array = state["path"], state["array"]
        if self.path:
            self.array = np.load(self.path, mmap_mode="r")


def present_of(arrays: Mapping[str, Array], start: str = "") -> Tensor | None:
    """Return which modalities each row of a cache has, bool ``(N, V)``; None where it has all.

    Args:
        arrays: Arrays of the cache.
        start: What the names of the arrays begin with, as in ``train.``.
    """
    name = f"{start}present"
    return torch.from_numpy(arrays[name]) if name in arrays else None


class MappedDataset(LabelledImages):
    """Some rows of stored arrays.

    Where every pixel has a class, the view returns ``labels``, which become the target of a batch.

    Args:
        task: Modalities in order, and classes.
        arrays: Stored arrays by name, each with N rows, memory maps or in memory.
        rows: int64 tensor ``(n,)``, the stored rows that belong to this split.
        target: int64 tensor ``(N,)``, the class of each stored row; where every pixel has a class,
            ``(N, M)``, the number of pixels of each class.
        names: Names of the N stored rows.
        view: How a model sees the stored rows.
        content: Fingerprint of the stored arrays.
        attack_types: Names of the types of attack that are known.
        attack_type: int64 tensor ``(N,)``, the number of each stored row's type of attack, -1
            where it has none.
        present: bool tensor ``(N, V)``, whether each stored row has each modality; None where all
            have every one.

    Raises:
        ValueError: If there is no row, or a target is no class.
    """

    def __init__(
        self,
        task: Task,
        arrays: Mapping[str, Array],
        rows: Tensor,
        target: Tensor,
        names: Sequence[str],
        view: View,
        content: str,
        attack_types: tuple[str, ...] = (),
        attack_type: Tensor | None = None,
        present: Tensor | None = None,
    ) -> None:
        if not len(rows):
            raise ValueError("expected at least one row, got none")
        self.task, self.rows, self.view = task, rows, view
        self.arrays = {name: MappedArray(array) for name, array in arrays.items()}
        self.target = target[rows]
        if task.dense:
            self.pixels, self.target = self.target, self.target.argmax(1)
        check_classes(task, self.target)
        every = torch.ones(len(rows), len(task.modalities), dtype=torch.bool)
        self.present = every if present is None else present[rows]
        self.samples = tuple(names[row] for row in rows.tolist())
        self.attack_types = attack_types
        self.attack_type = None if attack_type is None else attack_type[rows]
        self._content = content

    def label_map(self, row: int) -> Array:
        """Return the labels of the pixels of an image, ``(H, W)``, as they are stored."""
        labels: Array = self.arrays["labels"].array[int(self.rows[row]), 0]
        return labels

    def cut(self, row: int, box: tuple[slice, slice]) -> dict[str, Tensor]:
        """Return a part of every stored array of an image, ``(C, h, w)``."""
        at = (int(self.rows[row]), slice(None), *box)
        return {
            name: torch.from_numpy(np.array(mapped.array[at]))
            for name, mapped in self.arrays.items()
        }

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read a batch of some samples."""
        stored = self.rows.index_select(0, rows)
        raw = {name: array.take(stored) for name, array in self.arrays.items()}
        values = self.view(raw, rows, epoch)
        for column, name in enumerate(self.task.modalities):
            absent = (~self.present[rows, column]).nonzero().flatten()
            if len(absent):
                values[name] = values[name].index_fill(0, absent, 0)
        return self._batch(values, rows, values["labels"] if self.task.dense else None)
