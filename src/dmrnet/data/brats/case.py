"""One case of BraTS: read, cut to the brain, standardised, labels as classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from dmrnet.data.brats.names import AXES, CLASSES, DIRECTIONS, LABELS, MODALITIES, SPACING
from dmrnet.data.files.arrays.bad_rows import file_fault
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.objects import array_hash
from dmrnet.data.files.media.nifti import Volume, file_axes, read_volume, sizes

STORED = np.float16
"""Type of standardised intensities: 11 bits are more than the noise of a scan leaves."""

Read = Callable[[], bytes]
"""Returns the content of a file; raises OSError or ValueError if it cannot."""

Fault = tuple[str, str]
"""Modality or `LABELS`, and what is wrong with its file."""


@dataclass(frozen=True)
class DecodedCase:
    """One case as it is stored.

    Attributes:
        inputs: Standardised intensities ``(D, H, W)`` float16 of each modality that it has; 0
            outside of the brain.
        labels: Class of every voxel, uint8 ``(D, H, W)``; None where it has no labels.
        start: First voxel of the cut along depth, height and width.
        whole: Depth, height and width of the file; see `DIRECTIONS`.
        affine: Matrix ``(4, 4)`` of the file from voxels to mm.
        outside: Number of voxels of a tumour outside of the brain, which the cut keeps.
    """

    inputs: dict[str, Array]
    labels: Array | None
    start: tuple[int, int, int]
    whole: tuple[int, int, int]
    affine: Array
    outside: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the cut."""
        depth, height, width = next(iter(self.inputs.values())).shape
        return depth, height, width

    @property
    def turned(self) -> bool:
        """Whether its files are stored along other directions than those of the published ones."""
        return file_axes(self.affine, DIRECTIONS) != (AXES, (False, False, False))

    @property
    def facts(self) -> dict[str, Array]:
        """Columns of a table of cases, besides names, shape and presence.

        ``hash`` is that of each modality, 0 where it lacks it; ``voxels`` the number of each class,
        0 without labels.
        """
        inputs = [self.inputs.get(name) for name in MODALITIES]
        labels = np.zeros(0, dtype=np.uint8) if self.labels is None else self.labels.ravel()
        return {
            "start": np.array(self.start),
            "whole": np.array(self.whole),
            "affine": self.affine,
            "turned": np.array(self.turned),
            "voxels": np.bincount(labels, minlength=len(CLASSES)),
            "hash": np.array([0 if one is None else array_hash(one) for one in inputs]),
        }


def decode_case(
    files: Mapping[str, Read], numbers: tuple[int, ...]
) -> tuple[DecodedCase | None, list[Fault]]:
    """Return a case read from its files, and what is wrong with them.

    Every modality is standardised by mean and deviation of its own voxels that are not 0, so that
    one that is absent cannot change another (ShaSpec's code; RFNet's and mmFormer's take the voxels
    where any modality is not 0). All are cut to the box of the voxels where any of them is not 0
    (RFNet's and mmFormer's code, which then pad to 128).

    Args:
        files: Reader of the file of each modality, and of `LABELS` where there are labels.
        numbers: Label in the file of each class.

    Returns:
        The case without its faulty files; None where no modality is left, or the files of the case
        do not fit each other.
    """
    volumes: dict[str, Volume] = {}
    faults: list[Fault] = []
    for role, read in files.items():
        try:
            volumes[role] = _checked(role, read_volume(read()), numbers)
        except (ValueError, OSError) as error:
            faults.append((role, file_fault(error)))
    names = [name for name in MODALITIES if name in volumes]
    if not names:
        return None, faults
    first = volumes[names[0]]
    differences = {role: volume.difference(first, names[0]) for role, volume in volumes.items()}
    apart = [(role, words) for role, words in differences.items() if words]
    if apart:
        return None, faults + apart
    return _cut({name: volumes[name] for name in names}, volumes.get(LABELS), numbers), faults


def _cut(
    volumes: Mapping[str, Volume], labels: Volume | None, numbers: tuple[int, ...]
) -> DecodedCase:
    """Standardise checked volumes and cut them to the brain."""
    affine = next(iter(volumes.values())).affine
    axes, flips = file_axes(affine, DIRECTIONS)
    back = tuple(axis for axis, flip in enumerate(flips) if flip)

    def turned(volume: Volume) -> Array:
        return np.flip(volume.values.transpose(axes), back)

    values = {name: turned(volume) for name, volume in volumes.items()}
    brain = np.logical_or.reduce([one != 0 for one in values.values()])
    kept, classes, outside = brain, None, 0
    if labels is not None:
        given = np.asarray(turned(labels), dtype=np.int64)
        outside = int(((given != 0) & ~brain).sum())
        kept = brain | (given != 0)
        order = np.zeros(max(numbers) + 1, dtype=np.uint8)
        order[list(numbers)] = np.arange(len(numbers))
        classes = order[given]
    (box,) = find_objects(kept.astype(np.uint8))
    depth, height, width = brain.shape
    return DecodedCase(
        {name: _standardise(one[box]) for name, one in values.items()},
        None if classes is None else np.ascontiguousarray(classes[box]),
        (int(box[0].start), int(box[1].start), int(box[2].start)),
        (depth, height, width),
        affine,
        outside,
    )


def _checked(role: str, volume: Volume, numbers: tuple[int, ...]) -> Volume:
    """Return a volume; raise ValueError if its numbers are none of a modality or of labels."""
    values = volume.values
    if not np.allclose(volume.spacing, SPACING, rtol=0, atol=0.01):
        got = " x ".join(f"{step:g}" for step in volume.spacing)
        raise ValueError(f"has voxels of {got} mm; BraTS has 1 x 1 x 1: resample it")
    file_axes(volume.affine, DIRECTIONS)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("holds NaN or infinity")
    if role == LABELS:
        labels = np.unique(values)
        unknown = labels[~np.isin(labels, numbers)]
        if len(unknown):
            count = int(np.isin(values, unknown).sum())
            expected = ", ".join(map(str, numbers))
            got = ", ".join(f"{number:g}" for number in unknown[:8])
            raise ValueError(f"expected the labels {expected}, got {got} in {count} voxels")
        return volume
    seen = values[values != 0]
    if not len(seen):
        raise ValueError(f"holds nothing but zeros ({sizes(values.shape)})")
    if seen.min() == seen.max():
        raise ValueError(f"holds one value within the brain, {seen[0]:g}")
    return volume


def _standardise(values: Array) -> Array:
    """Return values less the mean and over the deviation of those that are not 0; 0 stays 0."""
    brain = values != 0
    seen = values[brain].astype(np.float64)
    made = np.zeros(values.shape, dtype=STORED)
    made[brain] = (seen - seen.mean()) / seen.std()
    return made
