"""Preparing `nyuv2`: the official labelled file, read image by image (extra ``hdf5``)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.io import loadmat

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup, locate
from dmrnet.data.published.work import Work
from dmrnet.data.sets.published.nyuv2 import CLASSES, VERSION
from dmrnet.untrusted import check_regular

if TYPE_CHECKING:
    import h5py

LABELLED, SPLITS, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"
KEYS = {"rgb": "images", "depth": "depths", "depth_raw": "rawDepths", "labels": "labels"}
PUBLISHED = {"train": 795, "test": 654}
FINE = 894
"""Number of classes of the labelled file, which are mapped to 40."""


@dataclass(frozen=True)
class Slice(File):
    """One image, `row` of the array `key` in an HDF5 file, read as a ``.npy`` file."""

    key: str = ""
    row: int = 0

    def read(self) -> bytes:
        """Return the image as the bytes of a ``.npy`` file; MATLAB reverses the order of axes."""
        with opened(self.path) as file:
            try:
                values = np.asarray(file[self.key][self.row])
            except (OSError, KeyError) as error:
                raise ValueError(f"cannot be read ({error})") from error
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(values.swapaxes(-1, -2)))
        return stream.getvalue()

    def stamp(self) -> list[object]:
        """Return what changes when the file does."""
        return [*super().stamp(), self.key, self.row]


def opened(path: Path) -> h5py.File:
    """Open an HDF5 file; raise ValueError if it is none."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{path.name} is read by h5py, which is not installed: pip install "dmrnet[hdf5]"'
        ) from error
    check_regular(path)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error})") from error


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the labelled file, its images by number, the splits and the mapping of classes."""
    hint = "it is on the data set's page, and the two small files are in the repository ESANet"
    labelled, splits, mapping = (
        locate(sources, (name,), name, hint) for name in (LABELLED, SPLITS, MAPPING)
    )
    with opened(labelled) as file:
        lacking = [key for key in KEYS.values() if key not in file]
        if lacking:
            raise ValueError(f"{labelled}: expected the arrays {', '.join(lacking)}, found none")
        sizes = {key: int(file[key].shape[0]) for key in KEYS.values()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"{labelled}: expected arrays of one length, got {sizes}")
    files: dict[str, list[File]] = {
        group: [Slice(f"image {row + 1}", labelled, key=key, row=row) for row in range(sizes[key])]
        for group, key in KEYS.items()
    }
    return files | {"splits": [File(SPLITS, splits)], "mapping": [File(MAPPING, mapping)]}


def matlab_arrays(content: bytes, name: str, keys: Sequence[str]) -> list[Array]:
    """Return arrays of a small MATLAB file, flattened, int64; raise ValueError if it lacks one."""
    try:
        values: dict[str, Any] = loadmat(io.BytesIO(content))
        return [np.asarray(values[key], dtype=np.int64).flatten() for key in keys]
    # Scipy raises many kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(
            f"{name}: expected {', '.join(keys)}, got something else ({error})"
        ) from error


def picture(content: bytes) -> Array:
    """Return a picture of a slice, uint8 ``(3, H, W)``."""
    values: Array = np.load(io.BytesIO(content))
    if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 3:
        raise ValueError(f"expected uint8 of 3 channels, got {values.dtype} {values.shape}")
    return values


def millimetres(content: bytes) -> Array:
    """Return the depth of a slice, which is in metres, in millimetres, uint16 ``(1, H, W)``."""
    values: Array = np.load(io.BytesIO(content))
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("holds a depth that is negative or not finite")
    depth = np.rint(values.astype(np.float64) * 1000).clip(max=np.iinfo(np.uint16).max)
    return np.asarray(depth[None], dtype=np.uint16)


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: images, both depths, labels of 40 classes, how many pixels of each."""
    train, test = matlab_arrays(work.read("splits"), SPLITS, ("trainNdxs", "testNdxs"))
    (mapping,) = matlab_arrays(work.read("mapping"), MAPPING, ("mapClass",))
    if len(mapping) != FINE or mapping.min() < 1 or mapping.max() > len(CLASSES):
        raise ValueError(
            f"{MAPPING}: expected {FINE} numbers from 1 to {len(CLASSES)}, got {len(mapping)} from "
            f"{mapping.min()} to {mapping.max()}"
        )
    number = len(work.files["rgb"])
    listed = np.sort(np.concatenate([train, test]))
    if not np.array_equal(listed, np.arange(1, number + 1)):
        raise ValueError(
            f"{SPLITS}: expected each image from 1 to {number} once in train or test, got "
            f"{len(listed)} numbers from {listed.min()} to {listed.max()}"
        )
    coarse = np.concatenate([[0], mapping]).astype(np.uint8)

    def labels(content: bytes) -> Array:
        values: Array = np.load(io.BytesIO(content))
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > FINE:
            got = f"{values.dtype} from {values.min()} to {values.max()}"
            raise ValueError(f"expected whole numbers from 0 to {FINE}, got {got}")
        return np.asarray(coarse[values][None])

    decoders = {"rgb": picture, "depth": millimetres, "depth_raw": millimetres, "labels": labels}
    groups, kept = work.decode_together(decoders, {"labels": mapping.tolist()})
    arrays = work.stack(groups, kept)
    tested = np.isin(kept + 1, test)
    for split, mine, listed in (("train", ~tested, train), ("test", tested, test)):
        work.log_usable(split, int(mine.sum()), len(listed), "images", PUBLISHED[split])
    pixels = [np.bincount(image.ravel(), minlength=len(CLASSES) + 1) for image in arrays["labels"]]
    scenes = [""] * number
    with opened(work.files["rgb"][0].path) as file:
        if "scenes" in file:
            names = [np.asarray(file[name]) for name in np.asarray(file["scenes"]).flatten()]
            scenes = ["".join(map(chr, letters.flatten())) for letters in names]
    return arrays | {
        "pixels": np.stack(pixels).astype(np.int64),
        "test": tested,
        "scene": np.array([scenes[row] for row in kept.tolist()]),
        "name": np.array([f"image {row + 1}" for row in kept.tolist()]),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build)
