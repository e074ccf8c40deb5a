"""Writing splits as ``.npz`` files of the `arrays` layout, and describing them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.data.files.npz import RESERVED, SAMPLES, TARGET, Array
from dmrnet.modalities import Modality


def export(splits: Splits, folder: Path) -> dict[str, Path]:
    """Write ``train.npz``, ``val.npz`` and ``test.npz``, to be read by `Arrays`.

    A modality that a sample lacks is a row of NaN. What was standardised is written as it was
    before, up to rounding; the `raw` splits of a data set are written exactly.

    Args:
        splits: What to write; a data set that reads files is read whole.
        folder: Where to; it is made if it is not there. Files of those names are replaced.

    Returns:
        The path of each split.

    Raises:
        ValueError: If a modality has the name of one of the other arrays, or every pixel has a
            class, which that layout cannot hold.
    """
    if splits.train.task.dense:
        raise ValueError(
            f"{splits.name} has a class for every pixel, but files of arrays hold one class a "
            "sample; what it is read from are plain .npy and .npz files already"
        )
    taken = [name for name in splits.train.task.modalities if name in RESERVED]
    if taken:
        raise ValueError(f"a modality cannot be exported under the name {taken[0]!r}; rename it")
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for role, part in splits.parts().items():
        written[role] = folder / f"{role}.npz"
        _write(part, splits, written[role])
    return written


def _write(part: Dataset, splits: Splits, path: Path) -> None:
    batch = part.take(torch.arange(len(part)))
    arrays: dict[str, Array] = {}
    for column, name in enumerate(part.task.modalities):
        present, values = part.present[:, column], batch.inputs[name]
        if splits.standardiser is not None:
            values = splits.standardiser.invert(name, values, present)
        arrays[name] = np.where(
            present.reshape(-1, *[1] * (values.dim() - 1)).numpy(),
            values.numpy(),
            np.float32("nan"),
        )
    if int(part.target.min()) < 0:
        raise ValueError(f"{path.name}: some samples have no label, so they cannot be exported")
    arrays[TARGET] = _labels(part.task.classes)[part.target.numpy()]
    if part.samples is not None:
        arrays[SAMPLES] = np.array(part.samples)
    # Not numpy.savez: it takes names as keywords, and "file" is one of its own.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _labels(classes: tuple[str, ...]) -> Array:
    """Return the classes as integers where their names are just that, else as text."""
    try:
        numbers = np.array([int(name) for name in classes], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(classes)
    return numbers if tuple(str(number) for number in numbers) == classes else np.array(classes)


@dataclass(frozen=True)
class ModalityRows:
    """A modality, and in how many rows of each split it is present."""

    modality: Modality
    present: dict[str, int]


@dataclass(frozen=True)
class ClassRows:
    """A class, and how many rows of each split it has; pixels where each has a class."""

    name: str
    rows: dict[str, int]


@dataclass(frozen=True)
class Description:
    """What is in some splits.

    Attributes:
        name: Of the data set.
        rows: How many samples each split has.
        complete: How many of them have every modality.
        modalities: In order.
        classes: In order.
        notes: What else is to be known.
        dense: Classes are counted in pixels.
    """

    name: str
    rows: dict[str, int]
    complete: dict[str, int]
    modalities: tuple[ModalityRows, ...]
    classes: tuple[ClassRows, ...]
    notes: tuple[str, ...]
    dense: bool = False


def describe(splits: Splits) -> Description:
    """Count what is in some splits."""
    parts, task = splits.parts(), splits.train.task
    present = {role: part.present.sum(0).tolist() for role, part in parts.items()}
    labels = {role: _counted(part).tolist() for role, part in parts.items()}
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
            for number, name in enumerate(task.classes)
        ),
        notes=splits.notes,
        dense=task.dense,
    )


def _counted(part: Dataset) -> torch.Tensor:
    """Return how many samples, or pixels, each class has, int64 ``(M,)``."""
    if part.pixels is not None:
        return part.pixels.sum(0)
    return part.target[part.target >= 0].bincount(minlength=len(part.task.classes))
