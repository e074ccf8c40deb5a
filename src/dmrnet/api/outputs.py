"""Predictions that a run returns in Python, and the temporary folder of its files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from weakref import finalize

import numpy as np
from torch import Tensor

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.engine.predict import Predictable
from dmrnet.targets import TRUTHS


def decided_as_given(predicted: Predicted, decided: Array) -> Array:
    """Return what is predicted, in the form of the labels of the training samples.

    Args:
        predicted: The samples; numbers of those that were not predicted are NaN.
        decided: What `Target.decide` returned: classes ``(n,)``, or labels or numbers ``(n, M)``.
    """
    task = predicted.source.run.task
    if task.target == "regression":
        every = values_of_all(predicted, decided, np.float64(np.nan))
        return every[:, 0] if len(task.classes) == 1 else every
    decided = decided[predicted.rows.argsort()]
    if task.target == "multi-label":
        return np.asarray(decided, dtype=np.int64)
    names = np.asarray(task.classes)
    # Whether classes were given as numbers or as bool.
    whole = predicted.source.run.folder.read_facts().get("whole_labels", False)
    if whole and task.classes == TRUTHS:
        names = names == TRUTHS[1]
    elif whole:
        integers = all(name.removeprefix("-").isdecimal() for name in task.classes)
        names = np.asarray([int(name) if integers else float(name) for name in task.classes])
    return np.asarray(names[decided])


class TemporaryFolder:
    """A folder that is removed with this object, or when the process ends."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="dmrnet-"))
        finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class Predicted:
    """Samples that were predicted.

    Attributes:
        samples: Number of all samples, also of those without any modality.
        rows: int64 ``(m,)``, rows of the predicted ones among all.
        source: The predicted ones as they were read.
        probabilities: float32 ``(m, M)``.
    """

    samples: int
    rows: Array
    source: Predictable
    probabilities: Tensor


def values_of_all(predicted: Predicted, values: Array, empty: np.generic) -> Array:
    """Return the values of all samples, ``(n, M)``; `empty` where nothing was predicted."""
    out = np.full((predicted.samples, values.shape[1]), empty, dtype=values.dtype)
    out[predicted.rows] = values
    return out
