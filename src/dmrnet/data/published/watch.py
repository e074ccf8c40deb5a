"""Preparing `watch`: its pickle is opened once, and only numbers and text are let through."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.pickles import read_npy
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import FilesByGroup, locate, unpacked
from dmrnet.data.published.work import Work
from dmrnet.data.sets.published.watch import CHANNELS, VERSION

FILE = "watch_dataset.npy"
PUBLISHED = 140
"""Number of published recordings."""


def unpickled(content: bytes) -> object:
    """Return the object in a ``.npy`` file that holds one.

    Raises:
        ValueError: If it is another kind of file, is damaged, or holds more than arrays, lists,
            dicts, numbers and text.
    """
    try:
        value = read_npy(io.BytesIO(content))
        if value.shape != () or value.dtype != object:
            raise ValueError(f"expected one object, got {value.dtype} of shape {value.shape}")
    except ValueError as error:
        raise ValueError(f"{FILE} cannot be opened: {error}") from error
    return value.item()


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the one file."""
    path = locate(
        sources,
        (FILE, f"data/{FILE}", f"seglearn/data/{FILE}", "seglearn-*.whl"),
        "watch recordings",
        f"the package seglearn holds {FILE}: pip download --no-deps seglearn",
    )
    return {"recording": [unpacked(path, FILE)]}


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: the steps of all recordings one after the other, and what each one is."""
    if not work.allow_pickle:
        (file,) = work.files["recording"]
        raise ValueError(
            f"{file.path}: {FILE} is a pickle, and opening a pickle may run what it holds. Here "
            "only numbers and text are let through; if you trust where the file is from, say "
            "allow_pickle=True (--allow-pickle). It is opened this once and converted"
        )
    content = unpickled(work.read("recording"))
    recordings, labels, subjects, sides, classes = _checked(content)
    values, kept = [], []
    for number, recording in enumerate(recordings):
        try:
            values.append(_steps(recording))
            kept.append(number)
        except ValueError as error:
            work.reject("recording", f"recording {number}", str(error))
    if not values:
        raise ValueError(f"{FILE}: none of {len(recordings)} recordings can be used")
    work.log(
        f"recording: {len(kept)} usable ({PUBLISHED} are published), "
        f"{len(np.unique(subjects[kept]))} subjects, {len(classes)} exercises, "
        f"{sum(map(len, values))} steps"
    )
    return {
        "values": np.concatenate(values),
        "length": np.array([len(array) for array in values], dtype=np.int64),
        "number": np.array(kept, dtype=np.int64),
        "y": labels[kept],
        "subject": subjects[kept],
        "side": sides[kept],
        "classes": np.array(classes),
    }


def _steps(recording: object) -> Array:
    """Return a recording as float32 ``(steps, channels)``."""
    try:
        array = np.asarray(recording, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("is no table of numbers") from None
    if array.ndim != 2 or array.shape[1] != len(CHANNELS) or not len(array):
        raise ValueError(f"expected steps x {len(CHANNELS)}, got shape {array.shape}")
    finite = np.isfinite(array).all(1)
    if not finite.all():
        raise ValueError(f"step {int(finite.argmin())} is not finite")
    return array.astype(np.float32)


def _checked(content: object) -> tuple[list[object], Array, Array, Array, tuple[str, ...]]:
    """Return recordings; their classes, subjects and sides, int64; and the names of classes."""
    fields = ("X", "y", "subject", "side", "X_labels", "y_labels")
    if not isinstance(content, dict) or any(field not in content for field in fields):
        raise ValueError(f"{FILE}: expected a dict of {', '.join(fields)}")
    recordings = list(content["X"])
    rows: list[Array] = []
    for name in ("y", "subject", "side"):
        numbers = np.asarray(content[name])
        if numbers.shape != (len(recordings),) or numbers.dtype.kind not in "iuf":
            raise ValueError(
                f"{FILE}: expected {name} as {len(recordings)} numbers, one a recording, got "
                f"{numbers.dtype} {numbers.shape}"
            )
        if not np.array_equal(numbers, numbers.round()):
            raise ValueError(f"{FILE}: expected whole numbers as {name}, got others")
        rows.append(numbers.astype(np.int64))
    labels, subjects, sides = rows
    if tuple(content["X_labels"]) != CHANNELS:
        raise ValueError(
            f"{FILE}: expected the columns {', '.join(CHANNELS)}, got "
            f"{', '.join(str(name) for name in content['X_labels'])}"
        )
    classes = tuple(str(name) for name in content["y_labels"])
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise ValueError(
            f"{FILE}: expected y from 0 to {len(classes) - 1}, one of {', '.join(classes)}, got "
            f"{labels.min()} to {labels.max()}"
        )
    return recordings, labels, subjects, sides, classes


PREPARATION = Preparation(version=VERSION, find=find, build=build)
