"""Samples of Python one by one: mappings, pairs with a label, torch data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array


def items_of(records: Any) -> Iterator[Any]:  # noqa: ANN401
    """Iterate over records; torch data sets have items by number and may not be iterable."""
    if hasattr(records, "__len__") and hasattr(records, "__getitem__"):
        if not len(records):
            raise ValueError("expected at least one record, got none")
        return (records[number] for number in range(len(records)))
    return iter(records)


class SomeItems:
    """Some items of what has items by number.

    Args:
        items: Object with ``items[i]``, such as a torch data set.
        rows: Numbers of the items.
    """

    def __init__(self, items: Any, rows: Sequence[int]) -> None:  # noqa: ANN401
        self.items, self.rows = items, rows

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.rows)

    def __getitem__(self, row: int) -> Any:  # noqa: ANN401
        """Return an item."""
        return self.items[self.rows[row]]


def how_to_read(samples: object) -> str:
    """Return the end of a message: what reads samples of another form; empty if nothing does.

    >>> how_to_read([{"a": 1.0}])
    '; MultimodalDataset.from_records(samples) reads them, or LazyDataset(samples) one by one'
    """
    if hasattr(samples, "columns") and hasattr(samples, "to_numpy"):
        return "; MultimodalDataset.from_frame(table, columns) reads it, columns by modality"
    if hasattr(samples, "dataset") and hasattr(samples, "batch_size"):
        return "; give the data set that it loads: LazyDataset(loader.dataset)"
    if hasattr(samples, "shape") or not hasattr(samples, "__getitem__"):
        return ""
    if isinstance(samples, str | bytes | Mapping):
        return ""
    return (
        "; MultimodalDataset.from_records(samples) reads them, or LazyDataset(samples) one by one"
    )


def record(item: Any) -> tuple[Mapping[str, Any], Any]:  # noqa: ANN401
    """Return the mapping of a record, and its label or None; raise `TypeError` if it has none."""
    row, label = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    if not isinstance(row, Mapping):
        raise TypeError(
            "expected each record as a mapping from modalities to arrays, or a pair of it and a "
            f"label, got {type(item).__name__}"
            + (
                f" of {', '.join(type(one).__name__ for one in item)}"
                if type(item) is tuple
                else ""
            )
        )
    return row, label


def label_axes(values: Mapping[str, Any], label: Any) -> int:  # noqa: ANN401
    """Return 2 for a class for every pixel, 3 for one for every voxel, and 0 for other labels.

    Args:
        values: Arrays of the modalities of a sample; others are left out.
        label: Its label.

    >>> label_axes({"rgb": np.zeros((3, 8, 6))}, np.zeros((8, 6), dtype=int))
    2
    >>> label_axes({"flair": np.zeros((5, 8, 6))}, np.zeros((5, 8, 6), dtype=int))
    3
    >>> label_axes({"flair": np.zeros((5, 8, 6))}, 1)
    0
    """
    shape = np.shape(label)
    plane = shape[1:] if shape[:1] == (1,) else shape[:-1] if shape[-1:] == (1,) else shape
    images = [some for some in map(np.shape, values.values()) if len(some) in (2, 3)]
    if len(plane) == 2 and any(plane in (some[-2:], some[:2]) for some in images):
        return 2
    return 3 if len(shape) in (3, 4) else 0


def labels_of_python(labels: Array) -> Array:
    """Return labels that can be predicted as they were given; raise `TypeError` for bytes.

    >>> labels_of_python(np.array(["no", "yes"])).tolist()
    ['no', 'yes']
    """
    if labels.dtype.kind == "S":
        raise TypeError(
            "expected labels y as numbers, bool or text, got bytes such as "
            f"{bytes(labels.flat[0])!r}; decode them: np.char.decode(y)"
        )
    return labels
