"""Arrays of what people bring: lists, tensors, tables, and object arrays with one sample a row."""

from __future__ import annotations

from collections import Counter
from numbers import Real
from typing import Any

import numpy as np

from dmrnet.data.files.numbers import Array


def as_array(value: Any) -> Array | None:  # noqa: ANN401
    """Return an array of what has one; None for None, and for lists whose rows differ."""
    if value is None:
        return None
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # Numpy has no bfloat16.
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return np.asarray(value)
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    try:
        return np.asarray(value)
    except ValueError:
        return None


def rows_of_modality(name: str, value: Any) -> Array:  # noqa: ANN401
    """Return an array ``(n, ...)`` of numbers; rows that are None become NaN.

    Args:
        name: Name of the modality, for messages.
        value: Anything that `as_array` reads, or one such thing a sample.

    Raises:
        TypeError: If it holds no numbers.
        ValueError: If rows differ in shape, or every row is None.

    >>> rows_of_modality("age", [31, None]).tolist()
    [[31.0], [nan]]
    """
    array = as_array(value)
    if array is None or array.dtype == object:
        array = _stacked(name, [_row(name, row) for row in (value if array is None else array)])
    if array.dtype.kind not in "biuf":
        raise TypeError(f"modality {name}: expected numbers, got {array.dtype}")
    if array.ndim == 0:
        raise TypeError(f"modality {name}: expected one row a sample, got a single number")
    return array[:, None] if array.ndim == 1 else array


def odd_rows(name: str, array: Array) -> dict[int, str]:
    """Return the rows of an object array that hold no numbers, or not in the shape of most rows.

    The messages say why.
    """
    shapes, bad = {}, {}
    for number, value in enumerate(array):
        try:
            row = _row(name, value)
            if row is not None:
                rows_of_modality(name, row[None])
                shapes[number] = row.shape
        except (TypeError, ValueError) as error:
            bad[number] = str(error).removeprefix(f"modality {name}: ")
    usual = Counter(shapes.values()).most_common(1)
    for number, shape in shapes.items():
        if shape != usual[0][0]:
            bad[number] = f"its shape is {shape}, that of most rows {usual[0][0]}"
    return bad


def _row(name: str, value: Any) -> Array | None:  # noqa: ANN401
    """Return the array of one sample; None where it is absent."""
    if value is None or str(value) in ("<NA>", "NaT"):
        return None
    row = as_array(value)
    if row is None or row.dtype != object:
        return row
    # A row of a table of objects: numbers, and None where a cell is empty.
    cells = [None if str(cell) == "<NA>" else cell for cell in row.flat]
    for cell in cells:
        if not (cell is None or isinstance(cell, Real | np.bool_)):
            raise TypeError(
                f"modality {name}: expected numbers, got {cell!r:.40} ({type(cell).__name__})"
            )
    if all(cell is None for cell in cells):
        return None
    return np.array([np.nan if cell is None else float(cell) for cell in cells]).reshape(row.shape)


def _stacked(name: str, rows: list[Array | None]) -> Array:
    """Return the array of all samples, NaN where a row is None."""
    shapes = {row.shape: number for number, row in enumerate(rows) if row is not None}
    if not shapes:
        raise ValueError(f"modality {name}: every row is None; leave it out")
    if len(shapes) > 1:
        (one, first), (other, second) = list(shapes.items())[:2]
        raise ValueError(
            f"modality {name}: expected rows of one shape, got {one} in row {first} and "
            f"{other} in row {second}; images are resized by --data.size {name}=32x32 (size= in "
            "Python); pad others"
        )
    if all(row is not None for row in rows):
        return np.stack([row for row in rows if row is not None])
    empty = np.full(next(iter(shapes)), np.nan, dtype=np.float32)
    return np.stack([empty if row is None else row for row in rows])


def plain_labels(name: str, labels: Array) -> Array:
    """Return labels of an object array as numbers or text; other arrays as they are.

    Args:
        name: Name of the array, for messages.
        labels: Labels, or names of samples.

    Raises:
        ValueError: If a row has no label, or labels are of several kinds.

    >>> plain_labels("y", np.array(["cat", "dog"], dtype=object)).tolist()
    ['cat', 'dog']
    """
    if labels.dtype != object:
        return labels
    what = "label" if name == "y" else "name"
    none = [row for row, label in enumerate(labels.flat) if _is_missing(label)]
    if none:
        raise ValueError(
            f"{name}: row {none[0]} has no {what} ({len(none)} such rows); leave such rows out"
        )
    if len({isinstance(one, str | bytes) for one in labels.flat}) > 1:
        raise ValueError(f"{name}: expected one kind, got numbers and text; make all text")
    return np.asarray(labels.tolist())


def _is_missing(label: Any) -> bool:  # noqa: ANN401
    if label is None or str(label) in ("<NA>", "NaT"):
        return True
    return isinstance(label, float | np.floating) and bool(np.isnan(label))
