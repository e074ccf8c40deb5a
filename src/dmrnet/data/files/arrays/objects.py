"""Arrays of what people bring: lists, tensors, tables, object arrays with one sample per row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from numbers import Real
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.layout import guess_layout, named_kind
from dmrnet.data.files.arrays.numbers import Array

FEW = 0.1
"""Share of rows up to which another size is more likely a fault than another length."""


def unmasked(value: Any) -> Any:  # noqa: ANN401
    """Return a masked array of numpy with NaN where it is masked; None in text; others as given.

    >>> unmasked(np.ma.masked_equal([1, -999], -999)).tolist()
    [1.0, nan]
    """
    if not isinstance(value, np.ma.MaskedArray):
        return value
    if not np.ma.getmaskarray(value).any():
        return value.data
    kind = value.dtype.kind
    wide: Any = value if kind == "f" else value.astype(np.float64 if kind in "biu" else object)
    return wide.filled(np.nan if kind in "biuf" else None)


def as_array(value: Any) -> Array | None:  # noqa: ANN401
    """Return an array of what has one; None for None, and for lists whose rows differ."""
    if value is None:
        return None
    value = unmasked(value)
    if getattr(value, "is_sparse", False) is True:
        raise TypeError("expected an array, got a sparse tensor; give its numbers: x.to_dense()")
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


def none_throughout(value: Any) -> bool:  # noqa: ANN401
    """Return whether a modality is None, or None in every row, so that no sample has it.

    >>> none_throughout([None, None]), none_throughout([None, [1.0]]), none_throughout([])
    (True, False, False)
    """
    if value is None:
        return True
    rows: Any = value if isinstance(value, list | tuple) else None
    if str(getattr(value, "dtype", "")) == "object":
        rows = as_array(value)
    return rows is not None and len(rows) > 0 and all(row is None for row in rows)


def rows_of_modality(
    name: str,
    value: Any,  # noqa: ANN401
    kinds: dict[str, str] | None = None,
) -> Array:
    """Return an array ``(n, ...)`` of numbers; rows that are None become NaN.

    Rows of one or two axes that differ in the length of one are sequences: NaN comes after the end
    of each.

    Args:
        name: Name of the modality, for messages.
        value: Anything that `as_array` reads, or one such thing a sample.
        kinds: Kinds that are known, by name; gets those of such sequences.

    Raises:
        TypeError: If it holds no numbers.
        ValueError: If rows differ in shape, or every row is None.

    >>> rows_of_modality("age", [31, None]).tolist()
    [[31.0], [nan]]
    """
    if value is None:
        raise TypeError(f"modality {name}: expected one row per sample, got None; leave it out")
    if hasattr(value, "toarray"):
        raise TypeError(
            f"modality {name}: expected an array, got a sparse one ({type(value).__name__}); give "
            "its numbers: x.toarray()"
        )
    array = as_array(value)
    if array is not None and array.ndim == 0 and array.dtype == object:
        raise TypeError(
            f"modality {name}: expected an array or a list with one row per sample, got "
            f"{type(value).__name__}"
        )
    if array is None or array.dtype == object:
        rows = [_row(name, row) for row in (value if array is None else array)]
        if kind := _kind_of_ragged(name, rows, None if kinds is None else kinds.get(name)):
            if kinds is not None:
                kinds[name] = kind
            return _padded(rows, time=0 if kind.endswith("-last") else -1)
        array = _stacked(name, rows)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"modality {name}: expected numbers, got {array.dtype}")
    if array.ndim == 0:
        raise TypeError(f"modality {name}: expected one row per sample, got a single number")
    return array[:, None] if array.ndim == 1 else array


def odd_rows(name: str, array: Array, stated: str | None = None) -> dict[int, str]:
    """Return the rows of an object array that hold no numbers, or not in the shape of most rows.

    Sequences may differ in length. The messages say why.

    Args:
        name: Name of the modality.
        array: Object array with one sample per row.
        stated: Kind of the modality, if it is known.
    """
    present: dict[int, Array] = {}
    bad: dict[int, str] = {}
    for number, value in enumerate(array):
        try:
            row = _row(name, value)
            if row is not None:
                rows_of_modality(name, row[None])
                present[number] = row
        except (TypeError, ValueError) as error:
            bad[number] = str(error).removeprefix(f"modality {name}: ")
    alike = _alike(name, present, stated)
    for number, row in present.items():
        if number not in alike:
            usual = present[min(alike)].shape
            bad[number] = f"its shape is {row.shape}, that of most rows {usual}"
    return bad


def _alike(name: str, present: Mapping[int, Array], stated: str | None) -> set[int]:
    """Return the rows of the most frequent shape, or of the sequences of most channels."""
    sizes = Counter(row.shape for row in present.values())
    alike = {number for number, row in present.items() if row.shape == sizes.most_common(1)[0][0]}
    for axis in (0, 1):
        channels = Counter(row.shape[axis] for row in present.values() if row.ndim == 2)
        for size, _ in channels.most_common(1):
            rows = {
                n: row for n, row in present.items() if row.ndim == 2 and row.shape[axis] == size
            }
            if len(rows) > len(alike) and _kind_of_ragged(name, list(rows.values()), stated):
                alike = set(rows)
    return alike


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


def _kind_of_ragged(name: str, rows: Sequence[Array | None], stated: str | None) -> str | None:
    """Return the kind of rows that are sequences of different length; None for others."""
    present = [row for row in rows if row is not None]
    if any(row.dtype.kind not in "biuf" for row in present):
        return None
    return kind_of_ragged(name, Counter(row.shape for row in present), stated)


def kind_of_ragged(
    name: str, sizes: Counter[tuple[int, ...]], stated: str | None = None
) -> str | None:
    """Return the kind of sequences whose rows differ in length; None for others.

    Rows of one axis are sequences only where their name or `stated` says so, and a few rows that
    differ in what would be channels are none either: they are more likely a fault.

    Args:
        name: Name of the modality.
        sizes: Number of rows of each shape.
        stated: Kind of the modality, if it is known.

    >>> kind_of_ragged("walk", Counter({(20, 3): 4, (31, 3): 5}))
    'sequence-last'
    """
    if len(sizes) < 2:
        return None
    axes = {len(shape) for shape in sizes}
    differing = [k for k, some in enumerate(zip(*sizes, strict=False)) if len({*some}) > 1]
    if len(axes) > 1 or max(axes) > 2 or len(differing) != 1:
        return None
    kind = "sequence" if differing == [max(axes) - 1] else "sequence-last"
    if stated is not None:
        single = max(axes) == 2 and {shape[1 - differing[0]] for shape in sizes} == {1}
        return kind if stated == kind or (single and stated.startswith("sequence")) else None
    if max(axes) == 1:
        return kind if (named_kind(name) or "").startswith("sequence") else None
    (usual, number), *_ = sizes.most_common(1)
    expected = str(guess_layout(usual, name))
    return kind if kind == expected or number < (1 - FEW) * sizes.total() else None


def padded(array: Array, shape: Sequence[int]) -> Array:
    """Return the array of one sample with NaN up to a shape."""
    out = np.full(shape, np.nan, array.dtype)
    out[tuple(slice(size) for size in array.shape)] = array
    return out


def _padded(rows: list[Array | None], time: int) -> Array:
    """Return rows that differ in their length on one axis, NaN after the end of each."""
    present = [row if row.ndim == 2 else row[None] for row in rows if row is not None]
    shape = list(present[0].shape)
    shape[time] = max(row.shape[time] for row in present)
    wide = np.result_type(*{row.dtype for row in present}, np.float32)
    array = np.full((len(rows), *shape), np.nan, wide)
    for out, row in zip(array, rows, strict=True):
        if row is not None:
            steps = slice(row.shape[time])
            out[(steps, ...) if time == 0 else (..., steps)] = row
    return array


def _stacked(name: str, rows: list[Array | None]) -> Array:
    """Return the array of all samples, NaN where a row is None."""
    shapes = {row.shape: number for number, row in enumerate(rows) if row is not None}
    if not shapes:
        raise ValueError(f"modality {name}: every row is None; leave it out")
    if len(shapes) > 1:
        (one, first), (other, second) = list(shapes.items())[:2]
        raise ValueError(
            f"modality {name}: expected rows of one shape, got {one} in row {first} and "
            f"{other} in row {second}; images are resized by size "
            f"(--data.size {name}=32x32), sequences that differ in length are read with kinds "
            f"{name}=sequence (or sequence-last, for steps first)"
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
    with suppress(ValueError):  # rows of several lengths
        if (array := np.asarray(labels.tolist())).dtype != object:
            return array
    plain = (str, bytes, int, float, np.generic)
    odd = next((row for row, one in enumerate(labels.flat) if not isinstance(one, plain)), 0)
    got = f"{labels.flat[odd]!r} in row {odd}"
    raise ValueError(f"{name}: expected one {what} per row, got {got}")


def _is_missing(label: Any) -> bool:  # noqa: ANN401
    if label is None or str(label) in ("<NA>", "NaT"):
        return True
    return isinstance(label, float | np.floating) and bool(np.isnan(label))


def array_hash(array: Array) -> int:
    """Return 64 bits of an array, as a number with a sign; not 0."""
    digest = blake2b(array.data, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def plain_label(label: Any) -> Any:  # noqa: ANN401
    """Return a label, of arrays and tensors as a number or a list."""
    array = as_array(label) if hasattr(label, "tolist") else None
    return label if array is None else array.item() if array.ndim == 0 else array.tolist()
