"""Tables of pandas: their columns must be those of the training, their rows those of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def feature_names(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return the columns of a DataFrame; empty for other arrays, or where one is no text."""
    columns = getattr(value, "columns", None)
    names = () if columns is None else tuple(columns)
    return names if all(isinstance(name, str) for name in names) else ()


def check_features(
    path: str, features: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]
) -> None:
    """Refuse tables whose columns are not those of the training, in their order.

    Args:
        path: Name of the data, for the message.
        features: Columns of each modality that was given as a table.
        known: Those of the training.

    Raises:
        ValueError: If the columns of a modality that was a table both times differ.

    >>> check_features("new", {"blood": ("wbc", "crp")}, {"blood": ["wbc", "crp"]})
    """
    for name, columns in features.items():
        if name in known and list(columns) != (expected := list(known[name])):
            raise ValueError(
                f"{path}: modality {name}: expected the columns {', '.join(expected)} in this "
                f"order, as in training, got {', '.join(columns)}; choose them with "
                f"frame[{expected}]"
            )


def check_same_rows(given: Mapping[str, Any]) -> None:
    """Refuse tables of pandas that hold the same rows in different orders.

    Rows are matched by position. Tables whose index holds the same labels in another order say
    that row i of one is not row i of the other.

    Args:
        given: Whatever may be a DataFrame or a Series, by name.

    Raises:
        ValueError: If two indexes hold the same labels in different orders.
    """
    first: tuple[str, Any] | None = None
    for name, value in given.items():
        index = getattr(value, "index", None)
        if not hasattr(value, "reindex") or index is None or not index.is_unique:
            continue
        if first is None:
            first = name, index
            continue
        other, known = first
        alike = len(index) == len(known) and bool(index.isin(known).all())
        if alike and not index.equals(known):
            raise ValueError(
                f"{name} and {other} have the same index in different orders, but row i of "
                f"each must be sample i; bring {name} into the order with .loc, or take the "
                "numbers as they stand with .to_numpy()"
            )


def ordered_categories(y: Any) -> list[str] | None:  # noqa: ANN401
    """Return the categories of an ordered categorical of pandas that occur, the lowest first."""
    values = getattr(y, "cat", y)
    if not getattr(values, "ordered", False) or not hasattr(values, "remove_unused_categories"):
        return None
    used = values.remove_unused_categories()
    categories = getattr(used, "cat", used).categories
    return [str(category) for category in categories]
