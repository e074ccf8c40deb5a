"""Predicted volumes as files: NIfTI where the source was, else ``.npy``; or one ``.npz``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from torch import Tensor

from dmrnet.cli.predict.files import as_npz, file_names, skipped_lines
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.nifti import write_labels
from dmrnet.data.volumes.cases import Frame
from dmrnet.data.volumes.frames import restored
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.engine.predict import Predictable
from dmrnet.modalities import name_of
from dmrnet.storage import check_outputs, npy_bytes, write_bytes, write_text
from dmrnet.text import csv_text


def write_volumes(
    out: Path, of: Predictable, predicted: Iterable[Tensor], overwrite: bool = False
) -> None:
    """Write the labels of each volume as soon as they are predicted.

    In a folder each volume is a file, with the labels that training volumes had: ``.nii.gz`` with
    the affine matrix of the source where there is one and nibabel is installed, else ``.npy``.
    ``classes.csv`` names the labels; ``volumes.csv``, written last, lists the files with the number
    of voxels of each class and region. A ``.npz`` holds the numbers of classes, as ``predicted`` if
    all volumes have one size, else one array per volume, ``predicted_0`` and so on. Volumes that
    are skipped are named in either.

    Args:
        out: Folder, or ``.npz`` file.
        of: The volumes.
        predicted: Classes of the volumes in order, uint8 ``(1, D, H, W)`` each.
        overwrite: Whether to replace files that exist.

    Raises:
        FileExistsError: If one of the files exists, unless `overwrite`; nothing is predicted.
    """
    dataset = of.dataset
    assert isinstance(dataset, VolumeRows)
    names, classes = dataset.task.modalities, dataset.task.classes
    if out.suffix == ".npz":
        volumes = [one[0].numpy() for one in predicted]
        arrays = (
            {"predicted": np.stack(volumes)}
            if len({one.shape for one in volumes}) == 1
            else {f"predicted_{k}": one for k, one in enumerate(volumes)}
        )
        write_bytes(out, as_npz(of, arrays))
        return
    frames = [None if dataset.frame is None else dataset.frame(row) for row in of.rows.tolist()]
    nifti = find_spec("nibabel") is not None
    files = [
        stem.removesuffix(".png")
        + (".nii.gz" if nifti and frame is not None and frame.affine is not None else ".npy")
        for stem, frame in zip(file_names(of.names), frames, strict=True)
    ]
    tables = ("classes.csv", "volumes.csv")
    check_outputs(*(out / name for name in (*tables, *files)), overwrite=overwrite)
    numbers = _numbers(dataset, frames[0] if frames else None)
    pairs = [[str(n), name] for n, name in zip(numbers, classes, strict=True)]
    write_text(out / "classes.csv", csv_text([["value", "class"], *pairs]))
    regions = [region for region in dataset.task.regions if region[0] not in classes]
    heads = [*classes, *(name for name, _ in regions)]
    listed = [["file", "sample", "seen", *(f"voxels({name})" for name in heads)]]
    each = zip(predicted, files, of.names, of.seen, frames, strict=True)
    for one, file, sample, mask, frame in each:
        labels = one[0].numpy()
        _write(out / file, restored(labels, frame, dataset.numbers), frame)
        counts = np.bincount(labels.ravel(), minlength=len(classes)).tolist()
        # What the case was cut from is of the first class outside of it.
        counts[0] += 0 if frame is None else math.prod(frame.shape) - labels.size
        of_regions = [sum(counts[n] for n in members) for _, members in regions]
        listed.append([file, sample, name_of(mask, names), *map(str, [*counts, *of_regions])])
    listed += skipped_lines(dataset.skipped, len(listed[0]))
    write_bytes(out / "volumes.csv", csv_text(listed).encode(errors="surrogateescape"))


def _numbers(dataset: VolumeRows, frame: Frame | None) -> Sequence[int]:
    """Return the label that stands for each class."""
    if frame is not None and frame.numbers is not None:
        return frame.numbers
    return dataset.numbers or range(len(dataset.task.classes))


def _write(path: Path, labels: Array, frame: Frame | None) -> None:
    if path.suffix == ".gz":
        assert frame is not None
        assert frame.affine is not None
        write_labels(path, labels, frame.affine)
    else:
        write_bytes(path, npy_bytes(labels))
