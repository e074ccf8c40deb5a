"""Checking the numbers of a modality, and converting them to float32 where that is precise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float32] | npt.NDArray[np.float64]

FILL_IN = (
    "train with cells='mean' (--data.cells mean) or another choice, which fills them in; or "
    "set the whole row to NaN if the modality is absent"
)
"""Advice on NaN in part of a row."""

NUMBERS_AT_ONCE = 2**22
"""Number of array elements that are checked at a time."""

MAX_ROUNDING = 1e-5
"""Keep float64 until standardising if rounding to float32 exceeds this fraction of the range of a
column (Unix timestamps, for example)."""


def checked_numbers(
    where: str, array: Array, stated: Bools | None, fine: bool | None, cells: bool = False
) -> tuple[Numbers, Bools]:
    """Return an array as float32 or float64, and in which rows the modality is present.

    Args:
        where: File and modality, for messages.
        array: Array of the file, ``(n, ...)``.
        stated: Column of `present`, bool ``(n,)``, if there is one; absent rows are not checked.
        fine: Whether to keep float64; None keeps it where float32 is too coarse.
        cells: Whether present rows may hold NaN, for cells that are missing.

    Raises:
        ValueError: If the array holds no numbers, or a present row holds infinity, or NaN without
            `cells`; a row of nothing but NaN is absent.
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{where}: expected numbers, got {array.dtype}; convert it before numpy.savez"
        )
    if not array.size:
        raise ValueError(f"{where}: shape {array.shape} holds no numbers")
    present = np.ones(len(array), dtype=np.bool_) if stated is None else stated.copy()
    with np.errstate(over="ignore"):
        # An .npy file may hold Fortran order and foreign byte order; the result holds neither.
        values = np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind == "f":
        flat = values.reshape(len(values), -1)
        for rows in _row_blocks(flat):
            if not np.isfinite(flat[rows]).all():
                is_stated = stated is not None
                present[rows] = _finite_rows(
                    where, rows.start, array[rows], flat[rows], present[rows], is_stated, cells
                )
    # Smaller types are exact in float32.
    kind, size = array.dtype.kind, array.dtype.itemsize
    if (size > 4 or (size == 4 and kind != "f")) and (
        fine or (fine is None and _is_coarse(array, values, present))
    ):
        return np.ascontiguousarray(array, dtype=np.float64), present
    return values, present


def _row_blocks(flat: npt.NDArray[np.generic]) -> Iterator[slice]:
    step = max(1, NUMBERS_AT_ONCE // flat.shape[1])
    return (slice(start, start + step) for start in range(0, len(flat), step))


def _is_coarse(array: Array, values: npt.NDArray[np.float32], present: Bools) -> bool:
    """Return whether rounding moves a present row by more than `MAX_ROUNDING`."""
    exact, rounded = array.reshape(len(array), -1), values.reshape(len(values), -1)
    low = np.full(exact.shape[1], np.inf)
    high, error = -low, np.zeros(exact.shape[1])
    for rows in _row_blocks(exact):
        chosen = present[rows]
        if chosen.any():
            block = exact[rows][chosen].astype(np.float64)
            # Missing cells are NaN, which these functions pass over.
            low = np.fmin(low, np.fmin.reduce(block))
            high = np.fmax(high, np.fmax.reduce(block))
            error = np.fmax(error, np.fmax.reduce(np.abs(block - rounded[rows][chosen])))
    spread = high - low
    # A column that differs only by float64's own rounding is a constant.
    varies = spread > 1e-12 * np.maximum(abs(low), abs(high))
    return bool((varies & (error > MAX_ROUNDING * spread)).any())


def _finite_rows(
    where: str,
    start: int,
    array: Array,
    block: Numbers,
    present: Bools,
    stated: bool,
    cells: bool,
) -> Bools:
    """Return the present rows of a block, from row `start` on, without those of nothing but NaN.

    `array` is the block as in the file, `block` in float32 ``(n, numbers)``; `stated` is whether
    the file says which rows are present, `cells` whether NaN in part of one is left.
    """
    missing = np.isnan(block).sum(1)
    absent: Bools = np.asarray(missing == block.shape[1])

    def refuse(rows: Bools, what: str) -> None:
        bad = np.flatnonzero(rows & present)
        if len(bad):
            more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
            raise ValueError(f"{where}, row {start + bad[0]}{more}: {what}")

    if stated:
        refuse(absent, "present says it is there, but it is all NaN; correct one of them")
    infinite: Bools = np.asarray(np.isinf(block).any(1))
    if infinite.any() and not np.isinf(array).any():
        refuse(infinite, "a number is too large for float32; scale this modality")
    refuse(infinite, "it holds infinity; mend the value, or set the whole row to NaN if absent")
    if not cells:
        refuse(
            np.asarray(missing > 0) & ~absent,
            f"it holds NaN in part of its {block.shape[1]} numbers; {FILL_IN}",
        )
    return present & ~absent
