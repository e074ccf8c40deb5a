"""mfeat: six views of 2000 handwritten digits (UCI Multiple Features), inside the package.

Robert Duin, 1998, https://doi.org/10.24432/C5HC70, CC BY 4.0; see ``LICENSES/``. The views come
from one binary image of a digit, cut from Dutch utility maps: Fourier coefficients (`fou`), profile
correlations (`fac`), Karhunen-Loève coefficients (`kar`), a 16×15 image of pixel averages (`pix`),
Zernike moments (`zer`) and six morphological numbers (`mor`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.modalities import Task

MODALITIES = ("fou", "fac", "kar", "pix", "zer", "mor")
TWINS = ((605, 774), (1148, 1172), (1237, 1271), (1265, 1272), (1448, 1521), (1892, 1999))
"""Pairs of rows that are the same digit, equal in every view; both stay in training."""


@dataclass(frozen=True)
class Mfeat(InMemory):
    """Settings of mfeat. The samples that are in neither `train` nor `val` are the test set.

    Attributes:
        train: Share of the samples for training.
        val: Share of the samples for validation.
        split_seed: Seed of the split; the run's seed by default.
        train_missing: Probability that a modality is missing from a training sample, at random;
            one always stays.
        modalities: Views to use, in this order; all six by default.
    """

    train: float = 0.6
    val: float = 0.2
    split_seed: int | None = None
    train_missing: float = 0.0
    modalities: list[str] | None = None

    def raw(self, seed: int) -> Splits:
        """Return the splits with the numbers as published."""
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.split import generator, hold_out

        if not (self.train > 0 and self.val > 0 and self.train + self.val < 1):
            raise ValueError(
                "mfeat: expected train and val above 0 and together below 1, since the rest is "
                f"the test set; got {self.train} and {self.val}"
            )
        seed = seed if self.split_seed is None else self.split_seed
        task, arrays, target = read()
        task = selected(task, self.modalities)
        names = task.modalities

        def part(rows: Tensor, missing: float = 0.0) -> ArrayDataset:
            present = torch.ones(len(rows), len(names), dtype=torch.bool)
            if missing:
                present = thinned(present, missing, generator(seed, "missing"))
            samples = [str(row) for row in rows.tolist()]
            chosen = {name: arrays[name][rows] for name in names}
            return ArrayDataset(task, chosen, present, target[rows], samples)

        twins, draw = torch.zeros(len(target), dtype=torch.bool), generator(seed, "split")
        twins[torch.tensor(TWINS).flatten()] = True
        tested = hold_out(target, 1 - self.train - self.val, draw, twins)
        rest = (~tested).nonzero().flatten()
        held = hold_out(target[rest], self.val / (self.train + self.val), draw, twins[rest])
        train, val = part(rest[~held], self.train_missing), part(rest[held])
        test = part(tested.nonzero().flatten())
        notes = [
            f"split: {len(train)} train, {len(val)} val, {len(test)} test, stratified, seed "
            f"{seed}; the 6 digits that occur twice are in train"
        ]
        if "pix" in names:
            notes.append("pix (240 numbers) read as image 1x16x15")
        if self.train_missing:
            rates = 1 - train.present.double().mean(0)
            removed = ", ".join(
                f"{name} {rate:.1%}" for name, rate in zip(names, rates, strict=True)
            )
            notes.append(f"removed from training at random: {removed}")
        return Splits("mfeat", train, val, test, tuple(notes))


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
            arrays[name] = array.reshape(-1, 1, 16, 15) if name == "pix" else array
        target = torch.from_numpy(archive["y"].astype(np.int64))
    inputs = tuple(
        Modality(name, "image" if name == "pix" else "vector", tuple(arrays[name].shape[1:]))
        for name in MODALITIES
    )
    return Task(inputs, tuple(str(digit) for digit in range(10))), arrays, target


def thinned(present: Tensor, missing: float, draw: torch.Generator) -> Tensor:
    """Remove each modality with the same probability, given that one stays: bool ``(n, V)``."""
    from dmrnet.modalities import Bernoulli

    number = present.shape[1]
    most = 1 - 1 / number
    if not 0 <= missing < most:
        raise ValueError(
            f"mfeat: expected train_missing from 0 to below {most:.3f}, since one of {number} "
            f"modalities always stays; got {missing}"
        )
    # Bernoulli keeps each modality at rate r and redraws empty rows, which raises the rate to
    # r / (1 - (1 - r)^V). Bisection finds the r at which that is 1 - missing.
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        kept = rate / (1 - (1 - rate) ** number)
        low, high = (rate, high) if kept < 1 - missing else (low, rate)
    return Bernoulli([high] * number)(present, draw)
