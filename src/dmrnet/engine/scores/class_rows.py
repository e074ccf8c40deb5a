"""Lines of metrics of classes: what accuracy hides where classes are of unequal frequency."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dmrnet.engine.scores.rows import Line
from dmrnet.evaluation import Evaluation, further_columns
from dmrnet.evaluation.class_metrics import recalls
from dmrnet.modalities import Task, name_of

MOST_RECALLS = 2000
"""Largest number of combinations times classes of which every recall is a row; of more, only those
with all modalities are."""


def class_metric_lines(
    evaluation: Evaluation, task: Task, taken: Collection[str] = ()
) -> Iterator[Line]:
    """Yield the metrics of classes of each combination; nothing of pixels or other targets.

    These are balanced accuracy, worst recall, macro F1, AUROC, average precision; the share of the
    most frequent class (``majority``) and the number of classes ever predicted; and the recall of
    each class (``recall/NAME``).

    Args:
        evaluation: Evaluation of one class per sample.
        task: Task of the run.
        taken: Names of metrics of the user's own, which stand instead.
    """
    if task.dense or task.target != "classes":
        return
    masks = evaluation.combinations.cpu()
    names = [name_of(mask, task.modalities) for mask in masks]
    for metric, (values, counts) in further_columns(evaluation).items():
        if metric not in taken:
            for name, value, n in zip(names, values.tolist(), counts.tolist(), strict=True):
                yield name, metric, value, n
    confusion = evaluation.confusion.cpu()
    few = len(names) * len(task.classes) <= MOST_RECALLS
    each, of_class = recalls(confusion), confusion.sum(2)
    for row, name in enumerate(names):
        if few or bool(masks[row].all()):
            for label, value, n in zip(
                task.classes, each[row].tolist(), of_class[row].tolist(), strict=True
            ):
                yield name, f"recall/{label}", value, n
