"""Rows of a split as one table, and scores of predictions under every combination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Modality, Uniform, all_combinations
from dmrnet.nn.encoders.ragged import pool_steps

Array = NDArray[Any]

SHARES = 8
"""Number of shares in which sequences that differ in length are averaged."""

COPIES = 4
"""Number of copies of the training rows with random masks."""


@dataclass(frozen=True, eq=False)
class FlatRows:
    """Rows of a split, modalities flattened.

    Attributes:
        columns: ``(n, features)`` of each modality, in order; zeros where it is absent.
        present: bool ``(n, V)``.
        target: Classes ``(n,)``.
        classes: Number of classes.
    """

    columns: tuple[Array, ...]
    present: Array
    target: Array
    classes: int

    def visible(self, mask: Array) -> Array:
        """Return modalities side by side, NaN where not visible.

        Args:
            mask: bool ``(n, V)`` or ``(V,)``.
        """
        seen = np.broadcast_to(mask, self.present.shape) & self.present
        parts = (
            np.where(seen[:, [v]], column, np.float32("nan"))
            for v, column in enumerate(self.columns)
        )
        return np.concatenate([*parts], axis=1)


LogProbabilities = Callable[[FlatRows, Array], Array]
"""Returns logarithms of probabilities ``(n, classes)`` of rows under one mask ``(V,)``."""


def table_of(part: Dataset) -> FlatRows:
    """Return a split as one table."""
    batch = part.take(torch.arange(len(part)))
    columns = tuple(_flat(batch.inputs[one.name], one).numpy() for one in part.task.inputs)
    return FlatRows(columns, part.present.numpy(), part.target.numpy(), len(part.task.classes))


def _flat(x: Tensor, modality: Modality) -> Tensor:
    """Return a modality as columns: of sequences that differ in length, shares of their own."""
    if not modality.ragged:
        return x.flatten(1)
    steps = x[:, -1].sum(1)
    return torch.cat([pool_steps(x[:, :-1], steps.long(), SHARES).flatten(1), steps[:, None]], 1)


def masked_copies(train: FlatRows, seed: int) -> tuple[Array, Array]:
    """Return copies of the rows with random masks, uniform over what is present, and targets."""
    draw, present = generator(seed, "copies"), torch.from_numpy(train.present)
    copies = [train.visible(Uniform()(present, draw).numpy()) for _ in range(COPIES)]
    return np.concatenate(copies), np.tile(train.target, COPIES)


@dataclass(frozen=True)
class CombinationScore:
    """Predictions under one combination, of the rows that have all its modalities."""

    mask: Array
    scored: Array
    log: Array
    target: Array

    @property
    def accuracy(self) -> float:
        """Share of the scored rows that are classified correctly."""
        right = self.log.argmax(1) == self.target
        return float(right[self.scored].mean()) if self.scored.any() else float("nan")

    @property
    def log_loss(self) -> float:
        """Mean negative logarithm of the true class's probability."""
        loss = -self.log[np.arange(len(self.target)), self.target]
        return float(loss[self.scored].mean()) if self.scored.any() else float("nan")


def scores(predict: LogProbabilities, table: FlatRows) -> Iterator[CombinationScore]:
    """Score every combination."""
    for mask in all_combinations(len(table.columns)).numpy():
        scored = (table.present | ~mask).all(1)
        yield CombinationScore(mask, scored, predict(table, mask), table.target)
