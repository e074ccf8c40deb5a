"""Predictions that a run returns in Python, and the temporary folder of its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from weakref import finalize

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.modalities import Task
from dmrnet.targets import TRUTHS


def decided_as_given(task: Task, decided: Array, rows: Array, whole: bool) -> Array:
    """Return what is predicted, in the form of the labels of the training samples.

    Args:
        task: What is predicted.
        decided: What `Target.decide` returned: classes ``(n,)``, or labels or numbers ``(n, M)``.
        rows: Row of each among the samples, int64 ``(n,)``.
        whole: Whether classes were given as numbers or as bool.
    """
    decided = decided[rows.argsort()]
    if task.target == "multi-label":
        return np.asarray(decided, dtype=np.int64)
    if task.target == "regression":
        return np.asarray(decided[:, 0] if len(task.classes) == 1 else decided)
    names = np.asarray(task.classes)
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
