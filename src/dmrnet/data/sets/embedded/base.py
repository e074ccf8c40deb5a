"""Data sets inside the package: reading their ``.npz`` file, and one way of splitting them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.modalities import Task

Kind = Literal["vector", "sequence", "image"]


@dataclass(frozen=True)
class Published:
    """A data set before it is split.

    Attributes:
        task: Modalities in order, and classes.
        arrays: float32 tensor ``(n, ...)`` of each modality.
        target: int64 tensor ``(n,)`` of classes.
        keep: bool tensor ``(n,)``, True for rows that stay in training; None: no row must.
        kept: Words for these rows, at the end of the note on the split.
        notes: Sentences about the rows.
    """

    task: Task
    arrays: dict[str, Tensor]
    target: Tensor
    keep: Tensor | None = None
    kept: str = ""
    notes: tuple[str, ...] = ()


def read(file: str) -> dict[str, Tensor]:
    """Return the arrays of a file in `files/`: labels ``y`` as int64, the others as float32."""
    return {name: array.clone() for name, array in _decompressed(file).items()}


@lru_cache(maxsize=1)
def _decompressed(file: str) -> dict[str, Tensor]:
    """Read a file; the next seed of a study in this process finds it again."""
    from importlib.resources import as_file, files

    import numpy as np
    import torch

    with (
        as_file(files("dmrnet.data.sets.embedded") / "files" / file) as path,
        np.load(path, allow_pickle=False) as archive,
    ):
        types = {name: np.int64 if name == "y" else np.float32 for name in archive.files}
        return {name: torch.from_numpy(archive[name].astype(types[name])) for name in types}


def read_published(
    file: str, kind: Kind, classes: Sequence[str], notes: tuple[str, ...] = ()
) -> Published:
    """Return a data set whose modalities, in the order of the file, are all of one kind."""
    arrays = read(file)
    target = arrays.pop("y")
    return Published(task_of(arrays, kind, classes), arrays, target, notes=notes)


def task_of(arrays: Mapping[str, Tensor], kind: Kind, classes: Sequence[str]) -> Task:
    """Return the task of arrays that are all of one kind, in their order."""
    from dmrnet.modalities import Modality, Task

    inputs = (Modality(name, kind, tuple(array.shape[1:])) for name, array in arrays.items())
    return Task(tuple(inputs), tuple(classes))


@dataclass(frozen=True)
class Embedded(InMemory):
    """Base class of data sets inside the package: they have `published`; `whole` splits by class.

    The samples that are in neither `train` nor `val` are the test set. Samples are named by their
    row.

    Attributes:
        train: Share of the samples for training.
        val: Share of the samples for validation.
        split_seed: Seed of the split; the run's seed by default.
        train_missing: Probability that a modality is missing from a training sample, at random;
            one always stays.
        modalities: Modalities to use, in this order; all by default.
    """

    shows_inputs: ClassVar[bool] = True

    train: float = 0.5
    val: float = 0.2
    split_seed: int | None = None
    train_missing: float = 0.0
    modalities: list[str] | None = None

    @abstractmethod
    def published(self) -> Published:
        """Return the data set as published."""

    def whole(self, seed: int) -> Splits:
        """Return the splits with the numbers as published."""
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.splits.missing import removed, thinned
        from dmrnet.data.splits.split import generator, hold_out

        data_set = type(self).__name__.lower()
        if not (self.train > 0 and self.val > 0 and self.train + self.val < 1):
            raise ValueError(
                f"{data_set}: expected train and val above 0 and together below 1, since the rest "
                f"is the test set; got {self.train} and {self.val}"
            )
        seed = seed if self.split_seed is None else self.split_seed
        all_rows = self.published()
        task, target = selected(all_rows.task, self.modalities), all_rows.target
        names = task.modalities

        def part(rows: Tensor, missing: float = 0.0) -> ArrayDataset:
            present = torch.ones(len(rows), len(names), dtype=torch.bool)
            if missing:
                what = f"{data_set}: expected train_missing"
                present = thinned(present, missing, generator(seed, "missing"), what)
            samples = [str(row) for row in rows.tolist()]
            chosen = {name: all_rows.arrays[name][rows] for name in names}
            return ArrayDataset(task, chosen, present, target[rows], samples)

        keep, draw = all_rows.keep, generator(seed, "split")
        tested = hold_out(target, 1 - self.train - self.val, draw, keep)
        rest = (~tested).nonzero().flatten()
        share = self.val / (self.train + self.val)
        held = hold_out(target[rest], share, draw, None if keep is None else keep[rest])
        train, val = part(rest[~held], self.train_missing), part(rest[held])
        test = part(tested.nonzero().flatten())
        notes = [
            f"split: {len(train)} train, {len(val)} val, {len(test)} test, stratified, seed "
            f"{seed}{all_rows.kept}",
            *all_rows.notes,
        ]
        if self.train_missing:
            everything = torch.ones_like(train.present)
            notes.append(f"removed from training at random: {removed(everything, train)}")
        return Splits(data_set, train, val, test, tuple(notes))


def selected(task: Task, modalities: list[str] | None) -> Task:
    """Return the task with some of its modalities; raise `ValueError` if unknown or named twice."""
    from dmrnet.hints import nearest
    from dmrnet.modalities import check_names

    if modalities is None:
        return task
    known = dict(zip(task.modalities, task.inputs, strict=True))
    for name in check_names(modalities):
        if name not in known:
            raise ValueError(f"modalities: there is no {name!r}; {nearest(name, known)}")
    return replace(task, inputs=tuple(known[name] for name in modalities))
