"""Samples of a run for its page: their numbers in the units of training, their labels."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import torch

from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.deploy.raw import raw_inputs
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import spread
from dmrnet.targets import target_of

SCALED = 64
"""Samples from which mean and deviation are taken where training did not keep them."""


class Samples:
    """The samples of one split; safe to read from several threads.

    Args:
        run: The run.
        dataset: Its samples.
        split: ``test`` or ``val``.
    """

    def __init__(self, run: FinishedRun, dataset: Dataset, split: str) -> None:
        self.split = split
        self._run, self._dataset, self._lock = run, dataset, Lock()
        self._classes = run.task.classes
        self._target = dataset.target.numpy()
        self._labelled = target_of(run.task).labelled(dataset.target).numpy()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._target)

    @property
    def has_labels(self) -> bool:
        """Whether samples have classes or labels, rather than numbers."""
        return self._run.task.target != "regression"

    def take(self, rows: Array) -> tuple[dict[str, Array], Array]:
        """Return inputs of the graph for some samples, and presence ``(b, V)``.

        Args:
            rows: int64 ``(b,)``.
        """
        with self._lock:
            batch = self._dataset.take(torch.from_numpy(rows))
        return raw_inputs(self._run, batch, self._run.task.modalities), batch.present.numpy()

    def scale(self, name: str) -> tuple[Array, Array]:
        """Return mean and deviation of each feature or channel, ``(C,)``, over some samples.

        `SCALED` samples that have the modality, evenly spread; 0 and 1 where none has it, and 1
        where a deviation is 0.
        """
        column = self._run.task.modalities.index(name)
        rows = self._dataset.present[:, column].nonzero().flatten()
        count, total, square = (np.zeros(1) for _ in range(3))
        # Sums of differences from a first value: a mean far from 0 would cost digits.
        origin: Array | None = None
        for some in rows[spread(len(rows), SCALED)].split(8):
            x = self.take(some.numpy())[0][name].astype(np.float64)
            across = tuple(axis for axis in range(x.ndim) if axis != 1)
            known = np.isfinite(x)
            if origin is None:
                middle = np.where(known, x, 0.0).sum(across) / np.maximum(known.sum(across), 1)
                origin = middle.reshape(1, -1, *[1] * (x.ndim - 2))
            x = np.where(known, x - origin, 0.0)
            count = count + known.sum(across)
            total = total + x.sum(across)
            square = square + np.square(x).sum(across)
        offset = total / np.maximum(count, 1)
        deviation = np.sqrt(np.maximum(square / np.maximum(count, 1) - offset**2, 0))
        mean = offset if origin is None else offset + origin.ravel()
        return mean, np.where(deviation > 1e-9 * np.abs(mean), deviation, 1.0)

    def name(self, row: int) -> str:
        """Return the name of a sample; its number where it has none."""
        names = self._dataset.samples
        return str(row) if names is None else names[row]

    def truth(self, row: int) -> str | list[str] | dict[str, float] | None:
        """Return the class, labels or numbers of a sample; None where they are not known."""
        if not self._labelled[row]:
            return None
        target: Any = self._target[row].tolist()
        if not self.has_labels:
            return dict(zip(self._classes, target, strict=True))
        if isinstance(target, list):
            return [name for name, has in zip(self._classes, target, strict=True) if has]
        return str(self._classes[target])

    def with_label(self, label: str | None) -> Array:
        """Return bool ``(n,)``: which samples have a class or label; None: all.

        Raises:
            ValueError: If there is no such class or label.
        """
        if label is None:
            return np.ones(len(self), dtype=np.bool_)
        if not self.has_labels or label not in self._classes:
            what = ", ".join(self._classes[:20]) if self.has_labels else "none: it predicts numbers"
            raise ValueError(f"expected a label of {what}; got {label[:40]!r}")
        number = self._classes.index(label)
        column = self._target if self._target.ndim == 1 else self._target[:, number]
        return np.asarray(column == (number if self._target.ndim == 1 else 1))

    def wrong(self, rows: Array, decided: Array) -> Array:
        """Return bool ``(b,)``: which samples have a known target that was not predicted.

        Args:
            rows: int64 ``(b,)``.
            decided: What `dmrnet.serve.answers.decide` returned for them.
        """
        differs = (decided != self._target[rows]).reshape(len(rows), -1).any(1)
        return np.asarray(differs & self._labelled[rows])
