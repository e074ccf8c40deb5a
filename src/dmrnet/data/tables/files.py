"""Decoding the files that a column names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.decoding import opened_picture, pixel_values
from dmrnet.data.files.media.sound import read_sound
from dmrnet.data.files.media.spectrogram import HALF, repeat_to, resample
from dmrnet.hints import nearest
from dmrnet.untrusted import check_inside, check_regular

RATE = 16_000
"""Sampling rate of every sound, in Hz."""


def find_files(
    path: str, column: str, names: Sequence[str | None]
) -> tuple[list[Path | None], list[int]]:
    """Return the file of each row, None where there is none, and the rows whose file is missing.

    File names are relative to the table's folder, and stay in it.

    Raises:
        ValueError: If a name leads out of the folder, or is no regular file.
    """
    root = Path(path).resolve().parent
    files: list[Path | None] = []
    missing: list[int] = []
    for row, name in enumerate(names):
        file = None if name is None else root / name
        if file is not None:
            try:
                check_inside(file, (root,))
                if file.exists():
                    check_regular(file)
            except (ValueError, OSError) as error:
                raise ValueError(f"{path}: row {row}, column {column!r}: {name} {error}") from error
            if not file.exists():
                missing.append(row)
                file = None
        files.append(file)
    return files, missing


def with_folders(
    path: str, table: Mapping[str, Sequence[str | None]], folders: Sequence[str], samples: str
) -> dict[str, Sequence[str | None]]:
    """Return a table with a column for each folder: the file in it named like the sample.

    Args:
        path: Path of the table; the folders are next to it.
        table: Its columns.
        folders: Names of the folders, which become the names of the columns.
        samples: Column of the samples' names.

    Raises:
        ValueError: If the table has no names, a folder does not exist, or two files have one name.
    """
    if folders and samples not in table:
        raise ValueError(
            f"{path}: expected the samples' names in a column {samples!r}, by which files of "
            f"{', '.join(folders)} are found; {nearest(samples, list(table))}"
        )
    columns = dict(table)
    for folder in folders:
        place = Path(path).resolve().parent / folder
        if not place.is_dir():
            raise ValueError(f"folders: {place} is no folder; it should be next to {path}")
        by_stem: dict[str, str] = {}
        for file in sorted(place.iterdir()):
            if file.stem in by_stem:
                raise ValueError(
                    f"folders: {place} has two files of one name, {by_stem[file.stem]} and "
                    f"{file.name}; keep one"
                )
            by_stem[file.stem] = file.name
        names = (None if name is None else by_stem.get(name) for name in table[samples])
        columns[folder] = [None if name is None else f"{folder}/{name}" for name in names]
    return columns


def decode(kind: str, file: Path, size: tuple[int, int] | None, samples: int | None) -> Array:
    """Return the content of a file, float32; equal files are decoded once.

    Args:
        kind: image, sound or array.
        file: The file.
        size: Height and width of images; None keeps them.
        samples: Number of samples of a sound at `RATE`; None keeps them.

    Returns:
        An image ``(C, H, W)`` with its range as stored, 16 bits too; the log-spectrogram of a sound
        ``(1, F, T)``; or an array as it is.

    Raises:
        ValueError: If the file cannot be read.
    """
    stamp = file.stat().st_mtime_ns
    return _decode(kind, file, size, samples, stamp)


@lru_cache(maxsize=50_000)
def _decode(
    kind: str, file: Path, size: tuple[int, int] | None, samples: int | None, _stamp: int
) -> Array:
    try:
        if kind == "array":
            array = np.load(file, allow_pickle=False)
            if array.dtype.kind not in "fiub":
                raise ValueError(f"expected an array of numbers, got {array.dtype}")
            return np.asarray(array, dtype=np.float32)
        content = file.read_bytes()
        if kind == "image":
            return read_image(content, size)
        return spectrogram_of(*read_sound(content), samples)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from error


def read_image(content: bytes, size: tuple[int, int] | None) -> Array:
    """Return a picture ``(C, H, W)`` with its range as stored, resized if a size is given."""
    with opened_picture(content) as picture:
        return pixel_values(picture, size).astype(np.float32)


def spectrogram_of(values: Array, rate: int, samples: int | None) -> Array:
    """Return the log-spectrogram ``(1, F, T)`` of a sound ``(n,)`` at a rate in Hz.

    `samples` is its length at `RATE`, to which it is cut or repeated; None keeps it.
    """
    sound = resample(torch.from_numpy(values), rate, RATE)
    if samples is not None:
        sound = repeat_to(sound, samples)
    spectrogram: Array = HALF(sound)[None].numpy()
    return spectrogram
