"""Description of the splits of a data set in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.modalities import Modality, TargetName
from dmrnet.targets import target_of


@dataclass(frozen=True)
class ModalityRows:
    """A modality, and the number of rows of each split that have it."""

    modality: Modality
    present: dict[str, int]


@dataclass(frozen=True)
class ClassRows:
    """A class, and its number of rows in each split; of pixels for dense tasks."""

    name: str
    rows: dict[str, int]


@dataclass(frozen=True)
class Description:
    """Content of the splits of a data set.

    Attributes:
        name: Name of the data set.
        rows: Number of samples of each split.
        complete: Number of samples of each split that have every modality.
        modalities: Modalities in order.
        classes: Classes in order.
        notes: Notes of the splits.
        dense: Whether classes are counted in pixels.
        target: What is predicted; `classes` are the labels, or empty for numbers.
        warnings: What is probably wrong.
    """

    name: str
    rows: dict[str, int]
    complete: dict[str, int]
    modalities: tuple[ModalityRows, ...]
    classes: tuple[ClassRows, ...]
    notes: tuple[str, ...]
    dense: bool = False
    target: TargetName = "classes"
    warnings: tuple[str, ...] = ()


def describe(splits: Splits) -> Description:
    """Count the samples, modalities and classes of splits."""
    parts, task = splits.parts(), splits.data_task
    present = {role: part.present.sum(0).tolist() for role, part in parts.items()}
    labels = {role: _class_counts(part).tolist() for role, part in parts.items()}
    classes = task.classes if labels["train"] else ()
    return Description(
        name=splits.name,
        rows={role: len(part) for role, part in parts.items()},
        complete={role: int(part.present.all(1).sum()) for role, part in parts.items()},
        modalities=tuple(
            ModalityRows(modality, {role: present[role][column] for role in parts})
            for column, modality in enumerate(task.inputs)
        ),
        classes=tuple(
            ClassRows(name, {role: labels[role][number] for role in parts})
            for number, name in enumerate(classes)
        ),
        notes=splits.notes,
        dense=task.dense,
        target=task.target,
        warnings=splits.warnings,
    )


def _class_counts(part: Dataset) -> torch.Tensor:
    """Return the number of samples, or of pixels, of each class, ``(M,)``; none for numbers."""
    if part.pixels is not None:
        return part.pixels.sum(0)
    counts = target_of(part.task).rows_by_class(part.target, len(part.task.classes))
    return torch.empty(0) if counts is None else counts
