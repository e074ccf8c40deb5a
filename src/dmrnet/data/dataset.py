"""Samples of one split: the base class, samples in memory, the three splits, fingerprints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dmrnet.data.files.arrays.bad_rows import SkippedRow, skipped_notes
from dmrnet.data.filling import Cells
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.steps import numbers_of_steps, trimmed
from dmrnet.modalities import Batch, Task
from dmrnet.targets import scale_of, target_of


class Dataset(ABC):
    """The samples of one split.

    A data set that reads files reads them in `take`, which may run in worker processes.
    Augmentation is seeded by (seed, epoch, row): results do not depend on workers or batching.

    Attributes:
        task: Modalities in order, and what is predicted.
        present: Bool tensor ``(n, V)`` on the CPU, True where the sample has the modality.
        target: Targets on the CPU. Classes are int64 ``(n,)``, `UNLABELLED` where not known; for
            images with a class for every pixel it is the most frequent one. Several labels are
            int64 ``(n, M)``; numbers are float64 ``(n, D)``, NaN where not known.
        samples: Names of the samples; None where they have none.
        notes: Sentences about how the samples were read.
        warnings: Sentences about what is probably wrong with them.
        skipped: Rows of the file that are left out because they cannot be used.
        file_rows: Row number of each sample in the file, int64 ``(n,)``, where rows are left out.
        rows_in_file: Number of rows of the file, if some are left out.
        pixels: int64 tensor ``(n, M)``, the number of pixels of each class in each image; None
            unless every pixel has a class.
        sizes: int64 tensor ``(n, 2)``, height and width of each image, if they differ: images are
            then read one at a time.
        attack_types: Names of the types of attack that are known.
        attack_type: int64 tensor ``(n,)``, the number of each sample's type of attack, -1 where it
            has none; None where no types are known.
        steps: int64 tensor ``(n,)``, the number of steps of each sample's ragged sequences; None
            without any.
        weight: float32 tensor ``(n,)``, the weight of each sample's task loss; None for 1.
        groups: Group of each sample, such as its patient; None where samples are independent.
        row_hashes: int64 tensor ``(n, V)``, hashes of each sample's modalities before
            standardising, 0 where one is absent; None where they are not computed.
    """

    task: Task
    present: Tensor
    target: Tensor
    samples: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()
    file_rows: Tensor | None = None
    rows_in_file: int = 0
    pixels: Tensor | None = None
    sizes: Tensor | None = None
    attack_types: tuple[str, ...] = ()
    attack_type: Tensor | None = None
    steps: Tensor | None = None
    weight: Tensor | None = None
    groups: tuple[str, ...] | None = None
    row_hashes: Tensor | None = None
    _content: str = ""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.target)

    @abstractmethod
    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Return a batch of some samples.

        Args:
            rows: int64 tensor ``(b,)`` of row numbers; they become the `index` of the batch.
            epoch: Training epoch, which seeds augmentation.
        """

    def leave_out(self, skipped: tuple[SkippedRow, ...]) -> None:
        """State which rows of the source are not among these, since they cannot be used."""
        self.skipped = skipped
        self.warnings = (*skipped_notes(skipped), *self.warnings)
        if skipped:
            self.rows_in_file = len(self) + len(skipped)
            every = torch.ones(self.rows_in_file, dtype=torch.bool)
            every[[one.row for one in skipped]] = False
            self.file_rows = every.nonzero().flatten()

    def _batch(
        self, inputs: Mapping[str, Tensor], rows: Tensor, target: Tensor | None = None
    ) -> Batch:
        """Return the batch of some rows, with their own targets where `target` is None."""
        return Batch(
            inputs={name: inputs[name] for name in self.task.modalities},
            present=self.present.index_select(0, rows),
            target=self.target.index_select(0, rows) if target is None else target,
            index=rows,
            weight=None if self.weight is None else self.weight.index_select(0, rows),
        )

    @property
    def content(self) -> str:
        """Fingerprint of the inputs before standardising; empty where there is none."""
        return self._content

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that depend on the samples of the split and their order."""
        digest = blake2b(digest_size=8)
        digest.update(repr((self.task.modalities, self.task.classes, len(self))).encode())
        if self.task.target != "classes":
            digest.update(self.task.target.encode())
        digest.update(repr(self.samples).encode())
        digest.update(_bytes_of(self.present))
        digest.update(_bytes_of(self.target))
        if self.weight is not None:
            digest.update(_bytes_of(self.weight))
        digest.update(self.content.encode())
        return digest.hexdigest()


class ArrayDataset(Dataset):
    """Samples held in memory.

    Args:
        task: Modalities in order, and classes.
        arrays: Tensor ``(n, ...)`` of each modality, float32; float64 if float32 is too coarse
            before standardising. Rows of absent modalities are set to zero, in place.
        present: Bool tensor ``(n, V)``, True where the sample has the modality.
        target: Targets of the task's kind, such as int64 ``(n,)`` of classes.
        samples: Names of the samples, if they have any.
        notes: Sentences about how the samples were read.

    Raises:
        ValueError: If the shapes do not agree with one another and the task, a sample has no
            modality, or a target is no class of the task.
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
        if not rows:
            raise ValueError("expected at least one sample, got none")
        target_of(task).check(target, task)
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
                # One row of zeros, expanded to all rows, saves memory.
                array = torch.zeros(1, *modality.shape).expand(array.shape)
            elif len(absent):
                array.index_fill_(0, absent, 0.0)
            self.arrays[modality.name] = array

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Return a batch of some samples; the epoch does not matter."""
        arrays = self.arrays.items()
        inputs = {name: array.index_select(0, rows).float() for name, array in arrays}
        return self._batch(inputs if self.steps is None else trimmed(inputs, self.task), rows)

    @property
    def content(self) -> str:
        """Fingerprint of the arrays before standardising, which rounds differently by threads."""
        if not self._content:
            self._content = fingerprint_of_arrays(self.arrays)
        return self._content

    def some(self, rows: Tensor, arrays: Mapping[str, Tensor]) -> ArrayDataset:
        """Return some samples, with the notes of all.

        Args:
            rows: int64 tensor ``(n,)`` of row numbers.
            arrays: Tensor ``(n, ...)`` of each modality, those rows of `arrays`.
        """
        chosen = rows.tolist()
        samples = self.samples and [self.samples[row] for row in chosen]
        present, target = self.present[rows], self.target[rows]
        part = ArrayDataset(self.task, arrays, present, target, samples, self.notes)
        part.weight = None if self.weight is None else self.weight[rows]
        part.groups = self.groups and tuple(self.groups[row] for row in chosen)
        return part

    def standardise(self, standardiser: Standardiser) -> None:
        """Standardise every modality; float32 arrays in place, float64 arrays become float32.

        Missing cells are filled, and appended channels become part of the task.
        """
        assert self.content  # computed before the numbers change
        for column, name in enumerate(self.task.modalities):
            present, array = self.present[:, column], self.arrays[name]
            if present.any():
                out = array if array.dtype == torch.float32 else None
                self.arrays[name] = standardiser.apply(name, array, present, out)
        self.task = standardiser.with_flags(self.task)
        for modality in self.task.inputs:
            if self.arrays[modality.name].shape[1:] != modality.shape:
                rows = torch.zeros(1, *modality.shape).expand(len(self), *modality.shape)
                self.arrays[modality.name] = rows
        self.steps = numbers_of_steps(self.arrays, self.task)


@dataclass(frozen=True)
class Splits:
    """The three splits of a data set.

    Attributes:
        name: Name of the data set.
        train: Samples for gradients.
        val: Samples for every choice, such as that of the epoch.
        test: Samples for the reported numbers; None where there are none yet.
        notes: Sentences for the start of a run and for its report.
        standardiser: Standardiser of the training rows; None where nothing was standardised.
        columns: Names of all arrays of the training file in its order, also of those that
            `modalities` leaves out: the columns of ``present`` in a new file. Empty for other data.
        whole_labels: Whether the labels were given as numbers or as bool rather than text.
        warnings: Sentences about what is probably wrong with the data.
        cells: Replacement of missing cells, which are NaN until the splits are standardised.
        encoding: How the columns of a table were read, for further tables; None for other data.
        features: Columns of each modality that was given as a table of pandas.
    """

    name: str
    train: Dataset
    val: Dataset
    test: Dataset | None
    notes: tuple[str, ...] = ()
    standardiser: Standardiser | None = None
    columns: tuple[str, ...] = ()
    whole_labels: bool = False
    warnings: tuple[str, ...] = ()
    cells: Cells = "refuse"
    encoding: Mapping[str, Any] | None = None
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def data_task(self) -> Task:
        """The task as it is in the data, without channels that standardising appends."""
        task = self.train.task
        return task if self.standardiser is None else self.standardiser.without_flags(task)

    def parts(self) -> dict[str, Dataset]:
        """Return the splits by name, without those that are None."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each split by name."""
        return {name: part.fingerprint() for name, part in self.parts().items()}


def standardised(splits: Splits, unscaled: Collection[str] = ()) -> Splits:
    """Standardise splits by their present training rows, in place.

    Args:
        splits: Splits of `ArrayDataset` that own their arrays; or splits with a standardiser, which
            are standardised when they are read.
        unscaled: Modalities whose numbers stay as they are.
    """
    if splits.standardiser is not None:
        return scale_targets(splits)
    train = splits.train
    assert isinstance(train, ArrayDataset)
    names = train.task.modalities
    ragged = [one.name for one in train.task.inputs if one.ragged]
    standardiser = Standardiser.fit(train.arrays, train.present, names, splits.cells, ragged)
    standardiser.leave(unscaled)
    for part in splits.parts().values():
        assert isinstance(part, ArrayDataset)
        part.standardise(standardiser)
    return scale_targets(replace(splits, standardiser=standardiser))


def scale_targets(splits: Splits) -> Splits:
    """Set the mean and deviation of the training rows' numbers in the task of all splits.

    Does nothing for other tasks than regression. The targets themselves keep their unit.
    """
    task, train = splits.train.task, splits.train
    if task.target == "regression":
        for part in splits.parts().values():
            part.task = replace(task, scale=scale_of(train.target))
    return splits


def fingerprint_of_arrays(arrays: dict[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that depend on arrays, their names and their order.

    Numbers count as float32, since whether a file is read in float64 depends on another file.
    """
    digest = blake2b(digest_size=8)
    for name, array in arrays.items():
        digest.update(repr((name, tuple(array.shape))).encode())
        # An expanded row stands for all rows.
        digest.update(_bytes_of((array[:1] if array.stride(0) == 0 else array).float()))
    return digest.hexdigest()


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


def fingerprint_of_bytes(data: bytes) -> str:
    """Return what `fingerprint_of_file` returns for a file with this content."""
    return blake2b(data, digest_size=8).hexdigest()


def fingerprint_of_file(path: str | Path) -> str:
    """Return 16 hexadecimal digits that depend on the content of a file, not on its name."""
    with Path(path).open("rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=8)).hexdigest()
