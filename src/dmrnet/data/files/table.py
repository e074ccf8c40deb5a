"""Reading the modalities, the labels and the presence of samples from an ``.npz`` file."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dmrnet.data.files.archive import PRESENT, SAMPLES, TARGET, Archive, Array
from dmrnet.data.files.numbers import Bools, Numbers, checked_numbers


@dataclass
class SampleTable:
    """Content of a file for some modalities.

    Attributes:
        path: Path of the file.
        rows: Number of samples.
        arrays: float32, or float64 where that is too coarse, ``(rows, ...)`` in the shape of the
            file, for each modality that the file has. Rows of absent samples have no meaning.
        present: Bool ``(rows, V)``, True where the sample has the modality.
        target: Labels as in the file, ``(rows,)``; None if there are none.
        samples: Names of the samples, if the file has any; row numbers where rows are left out.
        left_out: Number of rows of the file that are left out because they have none of the
            modalities, but others.
    """

    path: str
    rows: int
    arrays: dict[str, Numbers]
    present: Bools
    target: Array | None
    samples: tuple[str, ...] | None
    left_out: int = 0


def read_table(
    archive: Archive,
    modalities: Sequence[str],
    columns: Sequence[str],
    fine: Container[str] | None = None,
) -> SampleTable:
    """Read some modalities and check every row.

    Args:
        archive: The file.
        modalities: Names in the model's order; those the file lacks are absent.
        columns: Every array of the training file in its order.
        fine: Modalities that stay in float64; None keeps it where float32 is too coarse.

    Raises:
        ValueError: If the file is wrong; the message says where.
    """
    path = archive.path
    available = [name for name in modalities if name in archive.names]
    if not available:
        raise ValueError(
            f"{path}: expected at least one of {', '.join(modalities)}; it has "
            f"{', '.join(archive.names)}"
        )
    target = archive.read(TARGET) if TARGET in archive.reserved else None
    samples = archive.read(SAMPLES) if SAMPLES in archive.reserved else None
    arrays: dict[str, Numbers] = {}
    rows, first = (0, "") if target is None else (_rows(path, TARGET, target), TARGET)
    stated: Mapping[str, Bools] = {}
    present = np.zeros((0, 0), dtype=np.bool_)
    for name in available:
        array = archive.read(name)
        length = _rows(path, name, array)
        if not first:
            rows, first = length, name
        if length != rows:
            raise ValueError(
                f"{path}: {name} has {length} rows but {first} has {rows}; row i of every "
                "array must be sample i"
            )
        if not len(present):
            present = np.zeros((rows, len(modalities)), dtype=np.bool_)
            stated = _stated_presence(archive, rows, columns)
        keep_fine = None if fine is None else name in fine
        arrays[name], present[:, modalities.index(name)] = checked_numbers(
            path, name, array, stated.get(name), keep_fine
        )
    for name, column in stated.items():
        if name in modalities and name not in archive.names and column.any():
            raise ValueError(
                f"{path}: present says that row {int(column.argmax())} has {name}, but the file "
                "has no such array"
            )
    empty = np.flatnonzero(~present.any(1))
    if len(empty) and (len(modalities) >= len(columns) or len(empty) == rows):
        raise ValueError(
            f"{path}: row {empty[0]} has none of {', '.join(modalities)} ({len(empty)} such "
            "rows); leave such rows out"
        )
    if samples is not None:
        _check_list(path, SAMPLES, samples, rows, "iuUS")
    if target is not None:
        _check_list(path, TARGET, target, rows, "biuUS")
    names = None if samples is None else tuple(text(value) for value in samples)
    table = SampleTable(path, rows, arrays, present, target, names)
    return _without(table, empty) if len(empty) else table


def text(value: object) -> str:
    """Return a label or the name of a sample as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _without(table: SampleTable, empty: npt.NDArray[np.intp]) -> SampleTable:
    """Leave rows out; the others keep their names, or are named by their row numbers."""
    names = table.samples or tuple(str(row) for row in range(table.rows))
    kept = np.delete(np.arange(table.rows), empty)
    return replace(
        table,
        rows=len(kept),
        arrays={name: array[kept] for name, array in table.arrays.items()},
        present=table.present[kept],
        target=None if table.target is None else table.target[kept],
        samples=tuple(names[row] for row in kept),
        left_out=len(empty),
    )


def _rows(path: str, name: str, array: Array) -> int:
    if not array.ndim or not len(array):
        got = f"shape {array.shape}" if array.ndim else "a single value"
        raise ValueError(f"{path}: expected {name} to have at least one row, got {got}")
    return len(array)


def _check_list(path: str, name: str, array: Array, rows: int, kinds: str) -> None:
    """Check labels or names: one integer or text a row."""
    if array.shape != (rows,):
        mend = ""
        if name == TARGET and array.ndim in (2, 3):
            one_hot, dense = "one-hot labels: y.argmax(1)", "a class for every pixel: --data images"
            mend = f"; {one_hot if array.ndim == 2 else dense}"
        raise ValueError(f"{path}: expected {name} of shape ({rows},), got {array.shape}{mend}")
    none = np.isnan(array) if array.dtype.kind == "f" else np.zeros(rows, dtype=np.bool_)
    if array.dtype.kind in "US":
        none = array == array.dtype.type()
    if name == TARGET and none.any():
        raise ValueError(
            f"{path}: row {int(none.argmax())} has no label ({int(none.sum())} such rows); leave "
            "such rows out"
        )
    if array.dtype.kind not in kinds:
        raise ValueError(
            f"{path}: expected {name} as integers or text, got {array.dtype}; convert it, e.g. "
            f"{name}.astype(int)"
        )


def _stated_presence(archive: Archive, rows: int, columns: Sequence[str]) -> Mapping[str, Bools]:
    """Return the columns of `present` by name; empty if the file has no such array.

    The columns are the arrays of the training file in its order, or those of this file. Where the
    two orders differ, the meaning is unclear, and the file is refused.
    """
    if PRESENT not in archive.reserved:
        return {}
    path, present = archive.path, archive.read(PRESENT)
    if present.dtype != np.bool_:
        raise ValueError(f"{path}: expected {PRESENT} as bool, got {present.dtype}: .astype(bool)")
    known = [name for name in archive.names if name in columns]
    if known != [name for name in columns if name in archive.names]:
        raise ValueError(
            f"{path}: expected its arrays in the order of training, {', '.join(columns)}, got "
            f"{', '.join(known)}; the columns of {PRESENT} could mean either: save them in the "
            "same order"
        )
    for names in (archive.names, tuple(columns)):
        if present.shape == (rows, len(names)):
            return dict(zip(names, present.T, strict=True))
    raise ValueError(
        f"{path}: expected {PRESENT} of shape ({rows}, {len(archive.names)}), a column for each of "
        f"{', '.join(archive.names)}; got {present.shape}"
    )
