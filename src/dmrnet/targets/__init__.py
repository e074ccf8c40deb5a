"""What a task predicts: a class, ordered classes, several labels, or numbers.

Each kind of target is one file: the outputs that it needs, its loss, how outputs become
predictions, and how experts are averaged. Methods, evaluation and data read all of it here. The
metrics of a kind, and which way they are better, are in `dmrnet.evaluation`: `measure_of`.
"""

from __future__ import annotations

from dmrnet.modalities import Task
from dmrnet.targets.base import Scale, Target, TaskLoss
from dmrnet.targets.classes import CLASSES, TRUTHS, Classes, cross_entropy
from dmrnet.targets.multi_label import MultiLabel, binary_cross_entropy
from dmrnet.targets.ordinal import Ordinal, class_log_probabilities, continuation_loss
from dmrnet.targets.regression import Regression, scale_of, squared_error

TARGETS: dict[str, Target] = {
    target.name: target for target in (CLASSES, Ordinal(), MultiLabel(), Regression())
}
"""The kinds of targets, by the name in `Task.target`."""


def target_of(task: Task) -> Target:
    """Return what a task predicts.

    >>> from dmrnet.modalities import Modality
    >>> task = Task((Modality("a", "vector", (2,)),), ("low", "middle", "high"), target="ordinal")
    >>> target_of(task).outputs(task)
    2
    """
    return TARGETS[task.target]


def outputs_of(task: Task) -> int:
    """Return the number of outputs of a predictor, such as one per class."""
    return target_of(task).outputs(task)


__all__ = [
    "CLASSES",
    "TARGETS",
    "TRUTHS",
    "Classes",
    "MultiLabel",
    "Ordinal",
    "Regression",
    "Scale",
    "Target",
    "TaskLoss",
    "binary_cross_entropy",
    "class_log_probabilities",
    "continuation_loss",
    "cross_entropy",
    "outputs_of",
    "scale_of",
    "squared_error",
    "target_of",
]
