"""mfeat: six views of 2000 handwritten digits (UCI Multiple Features), inside the package.

Robert Duin, 1998, https://doi.org/10.24432/C5HC70, CC BY 4.0; see ``LICENSES/``. The views come
from one binary image of a digit, cut from Dutch utility maps: Fourier coefficients (`fou`), profile
correlations (`fac`), Karhunen-Loève coefficients (`kar`), a 16×15 image of pixel averages (`pix`),
Zernike moments (`zer`) and six morphological numbers (`mor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.modalities import Task

MODALITIES = ("fou", "fac", "kar", "pix", "zer", "mor")
IMAGE = (1, 16, 15)
TWINS = ((605, 774), (1148, 1172), (1237, 1271), (1265, 1272), (1448, 1521), (1892, 1999))
"""Rows that are the same digit twice, equal in every view; both stay in training."""


@dataclass(frozen=True)
class Mfeat(InMemory):
    """Settings of mfeat. What is in neither `train` nor `val` is the test set.

    Attributes:
        train: Share of the samples for training.
        val: Share of the samples for validation.
        split_seed: Seed of the split; the run's seed where it is not set.
        train_missing: Chance of each modality to be missing from a training sample, at random,
            never all of one.
        modalities: Which views to use, in this order; all six otherwise.
    """

    train: float = 0.6
    val: float = 0.2
    split_seed: int | None = None
    train_missing: float = 0.0
    modalities: list[str] | None = None

    def raw(self, seed: int) -> Splits:
        """Return the three parts with the numbers as published."""
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.split import generator, hold_out

        if not (self.train > 0 and self.val > 0 and self.train + self.val < 1):
            raise ValueError(
                f"mfeat: expected train and val above 0 and together below 1, since the rest is "
                f"the test set; got {self.train} and {self.val}"
            )
        seed = seed if self.split_seed is None else self.split_seed
        task, arrays, target = read()
        task = selected(task, self.modalities)
        names = task.modalities
        kept = torch.zeros(len(target), dtype=torch.bool)
        kept[torch.tensor(TWINS).flatten()] = True
        draw = generator(seed, "split")
        test = hold_out(target, 1 - self.train - self.val, draw, kept)
        rest = (~test).nonzero().flatten()
        val = torch.zeros_like(test)
        val[rest] = hold_out(target[rest], self.val / (self.train + self.val), draw, kept[rest])

        def part(rows: Tensor, present: Tensor) -> ArrayDataset:
            taken = {name: arrays[name][rows] for name in names}
            samples = [str(row) for row in rows.nonzero().flatten().tolist()]
            return ArrayDataset(task, taken, present, target[rows], samples)

        def complete(rows: Tensor) -> Tensor:
            return torch.ones(int(rows.sum()), len(names), dtype=torch.bool)

        train = ~test & ~val
        notes = [
            f"split: {int(train.sum())} train, {int(val.sum())} val, {int(test.sum())} test, "
            f"stratified, seed {seed}; the 6 digits that stand twice are in train",
            *(["pix (240 numbers) read as image 1x16x15"] if "pix" in names else []),
        ]
        present = _thinned(complete(train), self.train_missing, generator(seed, "missing"))
        if self.train_missing:
            gone = ", ".join(
                f"{name} {rate:.1%}"
                for name, rate in zip(names, 1 - present.double().mean(0), strict=True)
            )
            notes.append(f"removed from training at random: {gone}")
        return Splits(
            name="mfeat",
            train=part(train, present),
            val=part(val, complete(val)),
            test=part(test, complete(test)),
            notes=tuple(notes),
        )


def selected(task: Task, modalities: list[str] | None) -> Task:
    """Return the task with some of its modalities.

    Raises:
        ValueError: If there is none of that name, or one is named twice.
    """
    from dmrnet.hints import nearest
    from dmrnet.modalities import Task, check_names

    if modalities is None:
        return task
    for name in check_names(modalities):
        if name not in task.modalities:
            hint = nearest(name, task.modalities)
            raise ValueError(f"modalities: there is no {name!r}; {hint}")
    known = dict(zip(task.modalities, task.inputs, strict=True))
    return Task(tuple(known[name] for name in modalities), task.classes)


def read() -> tuple[Task, dict[str, Tensor], Tensor]:
    """Return the task, the views as float32 and the digits as int64, in the published order."""
    from importlib.resources import as_file, files

    import numpy as np
    import torch

    from dmrnet.modalities import Modality, Task

    arrays = {}
    with (
        as_file(files("dmrnet.data.sets") / "mfeat.npz") as path,
        np.load(path, allow_pickle=False) as archive,
    ):
        for name in MODALITIES:
            array = torch.from_numpy(archive[name].astype(np.float32))
            arrays[name] = array.reshape(-1, *IMAGE) if name == "pix" else array
        target = torch.from_numpy(archive["y"].astype(np.int64))
    inputs = tuple(
        Modality(name, "image" if name == "pix" else "vector", tuple(arrays[name].shape[1:]))
        for name in MODALITIES
    )
    return Task(inputs, tuple(str(digit) for digit in range(10))), arrays, target


def _thinned(present: Tensor, missing: float, draw: torch.Generator) -> Tensor:
    """Remove each modality with the same chance, given that one is left."""
    from dmrnet.modalities import Bernoulli

    number = present.shape[1]
    most = 1 - 1 / number
    if not 0 <= missing < most:
        raise ValueError(
            f"mfeat: expected train_missing from 0 to below {most:.3f}, since one of {number} "
            f"modalities always stays; got {missing}"
        )
    if not missing:
        return present
    # Redrawing empty rows raises the rate of keeping r to r / (1 - (1 - r)^V); find the r that
    # gives the rate asked for. The function rises, so halving an interval finds it.
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        kept = rate / (1 - (1 - rate) ** number)
        low, high = (rate, high) if kept < 1 - missing else (low, rate)
    return Bernoulli([high] * number)(present, draw)
