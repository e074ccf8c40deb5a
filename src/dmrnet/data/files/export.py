"""Writing splits as ``.npz`` files in the layout of `arrays`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import GROUPS, RESERVED, SAMPLES, TARGET
from dmrnet.data.files.cache import write_arrays
from dmrnet.storage import check_outputs
from dmrnet.targets import target_of


def export(splits: Splits, folder: str | Path, overwrite: bool = False) -> dict[str, Path]:
    """Write ``train.npz``, ``val.npz`` and ``test.npz``, which `Arrays` reads.

    A modality that a sample lacks is a row of NaN. Standardising is undone, up to rounding; the
    `raw` splits of a data set are written exactly.

    Args:
        splits: Splits to write; they are read into memory whole.
        folder: Folder of the files, made if need be.
        overwrite: Whether files of these names are replaced.

    Returns:
        The path of each split.

    Raises:
        FileExistsError: If one of the files exists, unless `overwrite`.
        ValueError: If a modality has the name of another array of the layout, or every pixel has a
            class, which the layout cannot hold.
    """
    if splits.train.task.dense:
        raise ValueError(
            f"{splits.name} has a class for every pixel, but files of arrays hold one class per "
            "sample; what it is read from are plain .npy and .npz files already"
        )
    for name in splits.train.task.modalities:
        if name in RESERVED:
            raise ValueError(f"a modality cannot be exported under the name {name!r}; rename it")
    paths = {role: Path(folder) / f"{role}.npz" for role in splits.parts()}
    check_outputs(*paths.values(), overwrite=overwrite)
    for role, part in splits.parts().items():
        _write(part, splits, paths[role])
    return paths


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
    if not bool(target_of(part.task).labelled(part.target).all()):
        raise ValueError(f"{path.name}: some samples have no label, so they cannot be exported")
    arrays[TARGET] = part.target.numpy()
    if target_of(part.task).counts:
        arrays[TARGET] = _labels(part.task.classes)[part.target.numpy()]
    if part.samples is not None:
        arrays[SAMPLES] = np.array(part.samples)
    if part.groups is not None:
        arrays[GROUPS] = np.array(part.groups)
    write_arrays(path, arrays)


def _labels(classes: tuple[str, ...]) -> Array:
    """Return the names of the classes, as integers if that loses nothing."""
    try:
        numbers = np.array([int(name) for name in classes], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(classes)
    return numbers if tuple(str(number) for number in numbers) == classes else np.array(classes)
