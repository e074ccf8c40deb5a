"""Predictions that a run returns in Python, and the temporary folder of its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from weakref import finalize

import numpy as np
import torch

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.modalities import Task
from dmrnet.targets import TRUTHS, target_of


def decided_as_given(task: Task, probabilities: Array, whole: bool) -> Array:
    """Return what is predicted, in the form of the labels of the training samples.

    Args:
        task: What is predicted.
        probabilities: Probabilities or numbers, ``(n, M)``.
        whole: Whether classes were given as whole numbers or as bool.
    """
    decided = target_of(task).decide(torch.from_numpy(probabilities)).numpy()
    if task.target == "multi-label":
        return np.asarray(decided, dtype=np.int64)
    if task.target == "regression":
        return np.asarray(decided[:, 0] if len(task.classes) == 1 else decided)
    names = np.asarray(task.classes)
    if whole:
        # Text of these names is not whole.
        truths = task.classes == TRUTHS
        names = names == TRUTHS[1] if truths else names.astype(np.int64)
    return np.asarray(names[decided])


class TemporaryFolder:
    """A folder that is removed with this object, or when the process ends."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="dmrnet-"))
        finalize(self, shutil.rmtree, self.path, ignore_errors=True)
