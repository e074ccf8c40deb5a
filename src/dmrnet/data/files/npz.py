"""Reading one user's ``.npz`` of modalities, and saying clearly what is wrong with it."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dmrnet.hints import nearest
from dmrnet.modalities import check_names

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]

TARGET, PRESENT, SAMPLES = "y", "present", "samples"
RESERVED = (TARGET, PRESENT, SAMPLES)
"""Arrays of a file that are no modality."""

NUMBERS_AT_ONCE = 2**22
"""Rows are checked in parts of about so many numbers."""

FINEST = 1e-5
"""Where rounding to float32 moves a number by more than so much of its column's range, the array
stays in float64 until it is standardised: seconds since 1970, for one."""

Numbers = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Archive:
    """An open ``.npz`` file.

    Args:
        path: Where it is.

    Raises:
        FileNotFoundError: If there is no such file; the nearest name beside it is told.
        ValueError: If it is no ``.npz``, or two of its arrays have one name.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        file = Path(path)
        if not file.exists():
            raise FileNotFoundError(f"there is no file {path}; {_beside(file)}")
        if not file.is_file():
            raise ValueError(f"{path}: expected an .npz file, got a folder")
        try:
            with zipfile.ZipFile(file) as archive:
                members = [name.removesuffix(".npy") for name in archive.namelist()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{path}: expected an .npz file as numpy.savez writes it ({error})"
            ) from error
        twice = sorted({name for name in members if members.count(name) > 1})
        if twice:
            raise ValueError(f"{path}: the array {twice[0]!r} stands twice; save it once")
        self.names = tuple(name for name in members if name not in RESERVED)
        self.reserved = tuple(name for name in members if name in RESERVED)
        try:
            check_names(self.names)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def read(self, name: str) -> Array:
        """Return one array.

        Raises:
            ValueError: If it holds Python objects, or is damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                array = archive[name]
        # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged or hostile file.
        except Exception as error:
            raise ValueError(
                f"{self.path}: the array {name!r} cannot be read ({error}); expected plain "
                "numbers or text, no Python objects: convert it before numpy.savez"
            ) from error
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{self.path}: {name!r} is no array; save the file with numpy.savez")
        return array


def _beside(file: Path) -> str:
    if not file.parent.is_dir():
        return f"nor a folder {file.parent}"
    names = sorted(path.name for path in file.parent.iterdir() if path.suffix == ".npz")
    return nearest(file.name, names) if names else f"{file.parent} holds no .npz file"


@dataclass
class Table:
    """What a file holds of the modalities asked for.

    Attributes:
        path: The file.
        rows: How many samples.
        arrays: float32, or float64 where that is too coarse, ``(rows, ...)``, shaped as in the
            file; rows of what is absent are not to be read. A modality that the file lacks is not
            here.
        present: bool, ``(rows, V)``.
        target: The labels as they stand, ``(rows,)``; None where there are none.
        samples: Names of the samples, if it has any; the numbers of their rows where rows are
            left out.
        left_out: How many rows of the file have none of the modalities asked for, and so are not
            here, where the file has others.
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
) -> Table:
    """Read the modalities asked for, and check every row.

    Args:
        archive: The file.
        modalities: Names in the model's order; those the file lacks are absent.
        columns: Every array of the training file in its order.
        fine: Which of them stay in float64; None: those whose numbers need it.

    Raises:
        ValueError: If anything in the file is not as it should be.
    """
    path = archive.path
    found = [name for name in modalities if name in archive.names]
    if not found:
        raise ValueError(
            f"{path}: expected at least one of {', '.join(modalities)}; it has "
            f"{', '.join(archive.names)}"
        )
    target = archive.read(TARGET) if TARGET in archive.reserved else None
    samples = archive.read(SAMPLES) if SAMPLES in archive.reserved else None
    arrays: dict[str, Numbers] = {}
    rows, counted = (None, "") if target is None else (_rows(path, TARGET, target), TARGET)
    declared: Mapping[str, Bools] | None = None
    present = np.zeros((0, 0), dtype=np.bool_)
    for name in found:
        array = archive.read(name)
        length = _rows(path, name, array)
        if rows is None:
            rows, counted = length, name
        if length != rows:
            raise ValueError(
                f"{path}: {name} has {length} rows but {counted} has {rows}; row i of every "
                "array must be sample i"
            )
        if not len(present):
            present = np.zeros((rows, len(modalities)), dtype=np.bool_)
            declared = _declared(archive, rows, columns)
        said = None if declared is None else declared[name]
        arrays[name], here = _numbers(
            path, name, array, said, None if fine is None else name in fine
        )
        present[:, modalities.index(name)] = here
    assert rows is not None
    for name in set(declared or {}) - set(archive.names):
        if declared is not None and name in modalities and declared[name].any():
            row = int(declared[name].argmax())
            raise ValueError(
                f"{path}: present says that row {row} has {name}, but the file has no such array"
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
    table = Table(path, rows, arrays, present, target, names)
    return _without(table, empty) if len(empty) else table


def _without(table: Table, empty: npt.NDArray[np.intp]) -> Table:
    """Leave rows out; the others keep their names, or get the numbers of their rows."""
    names = table.samples or tuple(str(row) for row in range(table.rows))
    here = np.delete(np.arange(table.rows), empty)
    return Table(
        table.path,
        len(here),
        {name: array[here] for name, array in table.arrays.items()},
        table.present[here],
        None if table.target is None else table.target[here],
        tuple(names[row] for row in here),
        len(empty),
    )


def text(value: object) -> str:
    """Return a label or a sample's name as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _rows(path: str, name: str, array: Array) -> int:
    if not array.ndim or not len(array):
        got = f"shape {array.shape}" if array.ndim else "a single value"
        raise ValueError(f"{path}: expected {name} to have at least one row, got {got}")
    return len(array)


def _check_list(path: str, name: str, array: Array, rows: int, kinds: str) -> None:
    """Check labels or names: one integer or text a row."""
    if array.shape != (rows,):
        mend = "; one-hot labels: y.argmax(1)" if name == TARGET and array.ndim == 2 else ""
        if name == TARGET and array.ndim == 3:
            mend = "; a class for every pixel: --data images"
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


def _declared(archive: Archive, rows: int, columns: Sequence[str]) -> Mapping[str, Bools] | None:
    """Return the columns of `present` by name, for every array of the file or of training.

    Its columns are the arrays of the training file in its order, or those of this file. Where the
    two orders contradict one another nothing says which is meant, so that is refused.
    """
    if PRESENT not in archive.reserved:
        return None
    path, table = archive.path, archive.read(PRESENT)
    if table.dtype != np.bool_:
        raise ValueError(f"{path}: expected {PRESENT} as bool, got {table.dtype}: .astype(bool)")
    known = [name for name in archive.names if name in columns]
    if known != [name for name in columns if name in archive.names]:
        raise ValueError(
            f"{path}: its arrays stand in the order {', '.join(known)} but in training they stood "
            f"as {', '.join(columns)}, so the columns of {PRESENT} could mean either; save them "
            "in the same order"
        )
    for names in (archive.names, tuple(columns)):
        if table.shape == (rows, len(names)):
            return dict(zip(names, table.T, strict=True))
    raise ValueError(
        f"{path}: expected {PRESENT} of shape ({rows}, {len(archive.names)}), a column for each of "
        f"{', '.join(archive.names)}; got {table.shape}"
    )


def _numbers(
    path: str, name: str, array: Array, said: Bools | None, fine: bool | None
) -> tuple[Numbers, Bools]:
    """Return an array as float32 or float64, and which of its rows are there.

    Args:
        path: The file, for messages.
        name: The modality, for messages.
        array: ``(n, ...)``.
        said: bool, ``(n,)``: what `present` says. Rows that it calls absent are not looked at.
        fine: Whether float64 is kept; None: where it is needed.
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: modality {name}: expected numbers, got {array.dtype}; convert it before "
            "numpy.savez"
        )
    if not array.size:
        raise ValueError(f"{path}: modality {name}: shape {array.shape} holds no numbers")
    here = np.ones(len(array), dtype=np.bool_) if said is None else said.copy()
    with np.errstate(over="ignore"):
        # numpy.save keeps Fortran order and foreign byte order; from here on there is neither.
        values = np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind == "f":
        flat = values.reshape(len(values), -1)
        for rows in _parts(flat):
            if not np.isfinite(flat[rows]).all():
                _check_rows(path, name, array, flat[rows], here[rows], rows.start, said is not None)
    # Smaller types are exact in float32.
    kind, size = array.dtype.kind, array.dtype.itemsize
    if (size > 4 or (size == 4 and kind != "f")) and (
        fine or (fine is None and _is_coarse(array, values, here))
    ):
        return np.ascontiguousarray(array, dtype=np.float64), here
    return values, here


def _parts(flat: npt.NDArray[np.generic]) -> Iterator[slice]:
    step = max(1, NUMBERS_AT_ONCE // flat.shape[1])
    return (slice(start, start + step) for start in range(0, len(flat), step))


def _is_coarse(array: Array, values: npt.NDArray[np.float32], here: Bools) -> bool:
    """Whether `values` miss `array` by much of what a column varies, in the rows that are there."""
    exact, rounded = array.reshape(len(array), -1), values.reshape(len(values), -1)
    low = np.full(exact.shape[1], np.inf)
    high, off = -low, np.zeros(exact.shape[1])
    for rows in _parts(exact):
        at = here[rows]
        if at.any():
            block = exact[rows][at].astype(np.float64)
            low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
            off = np.maximum(off, np.abs(block - rounded[rows][at]).max(0))
    varies = high - low
    # What differs by float64's own rounding is a constant.
    tells = varies > 1e-12 * np.maximum(abs(low), abs(high))
    return bool((tells & (off > FINEST * varies)).any())


def _check_rows(
    path: str,
    name: str,
    array: Array,
    block: npt.NDArray[np.float32],
    here: Bools,
    start: int,
    stated: bool,
) -> None:
    """Mark rows of NaN as absent in `here`; raise on a fault in a row that is there."""
    missing = np.isnan(block).sum(1)
    absent: Bools = np.asarray(missing == block.shape[1])

    def fault(rows: Bools, what: str) -> None:
        bad = np.flatnonzero(rows & here)
        if len(bad):
            more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
            raise ValueError(f"{path}: modality {name}, row {start + bad[0]}{more}: {what}")

    if stated:
        fault(absent, f"{PRESENT} says it is there, but it is all NaN; correct one of them")
    infinite: Bools = np.asarray(np.isinf(block).any(1))
    if infinite.any() and not np.isinf(array[start : start + len(block)]).any():
        fault(infinite, "a number is too large for float32; scale this modality")
    fault(infinite, "it holds infinity; mend the value, or set the whole row to NaN if absent")
    fault(
        np.asarray(missing > 0) & ~absent,
        f"it holds NaN in part of its {block.shape[1]} numbers; fill them in, or set the whole row "
        "to NaN if the modality is absent",
    )
    here &= ~absent
