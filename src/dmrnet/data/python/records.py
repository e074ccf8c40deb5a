"""Samples of Python one by one: mappings, pairs with a label, torch data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def items_of(records: Any) -> Iterator[Any]:  # noqa: ANN401
    """Iterate over records; torch data sets have items by number and may not be iterable."""
    if hasattr(records, "__len__") and hasattr(records, "__getitem__"):
        if not len(records):
            raise ValueError("expected at least one record, got none")
        return (records[number] for number in range(len(records)))
    return iter(records)


def record(item: Any) -> tuple[Mapping[str, Any], Any]:  # noqa: ANN401
    """Return the mapping of a record, and its label or None; raise `TypeError` if it has none."""
    row, label = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    if not isinstance(row, Mapping):
        raise TypeError(
            "expected each record as a mapping from modalities to arrays, or a pair of it and a "
            f"label, got {type(item).__name__}"
        )
    return row, label
