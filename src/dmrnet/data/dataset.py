"""What every data set gives, a data set held in memory, and the three splits of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from dmrnet.data.fingerprint import fingerprint_of_arrays
from dmrnet.data.standardise import Standardiser
from dmrnet.modalities import Batch, Task

UNLABELLED = -1
"""Stands in `target` where a file to predict on has no labels."""


class Dataset(Protocol):
    """What the loaders, the engine and the evaluation ask of a data set.

    A data set that reads files does it in `take`, in worker processes; what is random there
    (augmentation) follows from its own seed, the epoch and the row.
    """

    @property
    def task(self) -> Task:
        """The modalities in order, and the classes."""
        ...

    @property
    def present(self) -> Tensor:
        """Bool, ``(n, V)``, on the CPU: True where the sample has the modality."""
        ...

    @property
    def target(self) -> Tensor:
        """int64, ``(n,)``: the class; `UNLABELLED` where it is not known."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Return some samples, whole, without a loop over them in Python.

        Args:
            rows: int64, ``(b,)``. They become the `index` of the batch.
            epoch: The training epoch, for what is random.
        """
        ...


class ArrayDataset:
    """Samples held in memory.

    Args:
        task: The modalities in order, and the classes.
        arrays: float32, ``(n, ...)`` a modality; float64 where that is needed until they are
            standardised. Rows of what is absent are set to zero, in place.
        present: bool, ``(n, V)``.
        target: int64, ``(n,)``.
        samples: Names of the samples, if they have any.
        notes: Sentences about how the samples were read.

    Raises:
        ValueError: If the shapes do not agree with one another and the task, a sample has no
            modality at all, or a target is no class of the task.
    """

    def __init__(
        self,
        task: Task,
        arrays: Mapping[str, Tensor],
        present: Tensor,
        target: Tensor,
        samples: Sequence[str] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        rows, names = len(target), task.modalities
        if present.dtype != torch.bool or present.shape != (rows, len(names)):
            raise ValueError(
                f"expected present as bool ({rows}, {len(names)}) for {', '.join(names)}; "
                f"got {present.dtype} {tuple(present.shape)}"
            )
        _check_target(task, target)
        empty = (~present.any(1)).nonzero().flatten()
        if len(empty):
            raise ValueError(
                f"row {int(empty[0])} has none of {', '.join(names)} ({len(empty)} such rows); "
                "leave such rows out"
            )
        if samples is not None and len(samples) != rows:
            raise ValueError(f"expected {rows} names of samples, got {len(samples)}")
        self.task, self.present, self.target = task, present, target
        self.samples = None if samples is None else tuple(samples)
        self.notes = notes
        self._content: str | None = None
        self.arrays: dict[str, Tensor] = {}
        for column, modality in enumerate(task.inputs):
            array = arrays.get(modality.name)
            if array is None or array.dtype not in (torch.float32, torch.float64):
                raise ValueError(f"modality {modality.name}: expected a float32 or float64 tensor")
            if array.shape != (rows, *modality.shape):
                raise ValueError(
                    f"modality {modality.name}: expected shape {(rows, *modality.shape)}, got "
                    f"{tuple(array.shape)}"
                )
            absent = (~present[:, column]).nonzero().flatten()
            if len(absent) == rows:
                # One row of zeros stands for all of them.
                array = torch.zeros(1, *modality.shape).expand(array.shape)
            elif len(absent):
                array.index_fill_(0, absent, 0.0)
            self.arrays[modality.name] = array

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.target)

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Return some samples; the same in every epoch.

        Args:
            rows: int64, ``(b,)``.
            epoch: Not read.
        """
        return Batch(
            inputs={
                name: array.index_select(0, rows).float() for name, array in self.arrays.items()
            },
            present=self.present.index_select(0, rows),
            target=self.target.index_select(0, rows),
            index=rows,
        )

    @property
    def content(self) -> str:
        """Letters that follow from the numbers as they were before standardising."""
        if self._content is None:
            self._content = fingerprint_of_arrays(self.arrays)
        return self._content

    def standardise(self, standardiser: Standardiser) -> None:
        """Standardise every modality, in place where it is float32; it is float32 then."""
        assert self.content
        for column, name in enumerate(self.task.modalities):
            present, array = self.present[:, column], self.arrays[name]
            if present.any():
                out = array if array.dtype == torch.float32 else None
                self.arrays[name] = standardiser.apply(name, array, present, out)


def _check_target(task: Task, target: Tensor) -> None:
    if not len(target):
        raise ValueError("expected at least one sample, got none")
    if target.dtype != torch.int64 or target.dim() != 1:
        raise ValueError(
            f"expected target as int64 (samples,), got {target.dtype} {tuple(target.shape)}"
        )
    low, high = int(target.min()), int(target.max())
    if low < UNLABELLED or high >= len(task.classes):
        raise ValueError(f"expected targets below {len(task.classes)}, got {low} to {high}")


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set, ready for training.

    Attributes:
        name: Name of the data set.
        train: For gradients.
        val: For every choice that is made.
        test: For the numbers reported; None where there is none yet.
        notes: Plain sentences that belong at the start of a run and into its report.
        standardiser: What the training rows were standardised with; None where nothing was.
        columns: Every array of the training file in its order, those not selected included:
            `read_split` needs it to read `present` of a new file. Empty where it does not apply.
    """

    name: str
    train: Dataset
    val: Dataset
    test: Dataset | None
    notes: tuple[str, ...] = ()
    standardiser: Standardiser | None = None
    columns: tuple[str, ...] = ()

    def parts(self) -> dict[str, Dataset]:
        """Return the splits that there are, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


def standardised(splits: Splits) -> Splits:
    """Standardise splits in memory by their present training rows, in place.

    Args:
        splits: Three `ArrayDataset`s that own their arrays.
    """
    train = splits.train
    assert isinstance(train, ArrayDataset)
    standardiser = Standardiser.fit(train.arrays, train.present, train.task.modalities)
    for part in splits.parts().values():
        assert isinstance(part, ArrayDataset)
        part.standardise(standardiser)
    return replace(splits, standardiser=standardiser)
