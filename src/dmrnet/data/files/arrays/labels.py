"""Reading ``y``: which kind of target it holds, and its values as a task counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.hints import nearest
from dmrnet.modalities import TARGET_NAMES, TargetName, Task

Choice = Literal["auto", "classes", "ordinal", "multi-label", "regression"]
"""Kind of target, or auto to recognise it."""

NOT_LABELS = ("", "nan", "NaN", "None", "<NA>", "NaT")
"""Text that numpy and pandas write for a missing value."""

PERHAPS_NONE = frozenset(("na", "n/a", "null", "none", "nil", "?", "-", "unknown", "unlabelled"))
"""Text, in lower case, that may be a class or stand for no label."""

MANY = 20
"""Whole numbers with at least this number of different values ..."""

MANY_SHARE = 0.5
"""... in more than this share of the rows may be numbers to predict rather than classes."""


@dataclass(frozen=True)
class TargetColumn:
    """Targets of training rows.

    Attributes:
        target: Kind of target.
        classes: Names of classes, labels or numbers.
        values: Targets as `dmrnet.targets` describes them, ``(n,)`` or ``(n, M)``.
        whole: Whether classes were given as numbers or as bool rather than text.
        notes: Sentences about how they were read.
    """

    target: TargetName
    classes: tuple[str, ...]
    values: Tensor
    whole: bool = False
    notes: tuple[str, ...] = ()


def text(value: object) -> str:
    """Return a label or the name of a sample as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def checked_labels(path: str, y: Array, rows: int) -> Array:
    """Return labels after a check that each sample has one row and none is missing.

    Args:
        path: File, for messages.
        y: Numbers or text, ``(n,)`` or ``(n, columns)``.
        rows: Number of samples, n.

    Raises:
        ValueError: If there is not one row per sample, a row has no label, or it is something else.
    """
    if not y.ndim or len(y) != rows:
        raise ValueError(f"{path}: expected y with {rows} rows, got shape {y.shape}")
    if y.dtype.kind not in "biufUS":
        raise ValueError(f"{path}: expected y as numbers or text, got {y.dtype}")
    if y.dtype.kind == "f":
        _refuse_missing(path, np.isnan(y))
    elif y.dtype.kind in "US":
        missing = [value.encode() if y.dtype.kind == "S" else value for value in NOT_LABELS]
        _refuse_missing(path, np.isin(y, missing))
    return y


def _refuse_missing(path: str, missing: Array) -> None:
    rows = missing.reshape(len(missing), -1).any(1)
    if rows.any():
        raise ValueError(
            f"{path}: row {int(rows.argmax())} has no label ({int(rows.sum())} such rows); leave "
            "such rows out"
        )


def check_target(target: Choice, labels: Sequence[str] | None) -> tuple[Choice, list[str] | None]:
    """Return notes about labels.

    Raises:
        ValueError: If there is no such kind of target.
    """
    if target not in (known := ("auto", *TARGET_NAMES)):
        raise ValueError(f"unknown target {target!r}; {nearest(target, known)}")
    return target, None if labels is None else [str(label) for label in labels]


def listed_labels(path: str, labels: Sequence[object], rows: Sequence[int]) -> Array:
    """Return the labels of some samples as an array, numbers or text.

    Raises:
        ValueError: If a sample has none.
    """
    none = [row for row in rows if labels[row] is None]
    if none:
        raise ValueError(
            f"{path}: sample {none[0]} has no label ({len(none)} such samples); leave such "
            "samples out"
        )
    return checked_labels(path, np.asarray([labels[row] for row in rows]), len(rows))


def learn_target(
    path: str, y: Array, wanted: Choice = "auto", labels: Sequence[str] | None = None
) -> TargetColumn:
    """Return the targets of training rows.

    Args:
        path: File, for messages.
        y: Result of `checked_labels`.
        wanted: Kind of target; auto recognises it, and asks where there are two readings.
        labels: Names of the columns of `y`; or ordered classes from the lowest to the highest.

    Raises:
        ValueError: If `y` has two readings, or does not fit what is wanted.
    """
    check_target(wanted, labels)
    shape = y.shape
    if y.ndim > 2:
        raise ValueError(
            f"{path}: expected y of shape ({len(y)},) or ({len(y)}, columns), got {shape}; a class "
            "for every pixel is read by the data images (--data)"
        )
    notes = []
    if y.ndim == 2 and shape[1] == 1 and wanted != "multi-label":
        y = y[:, 0]
        notes.append(f"y {shape} read as one column")
    target = _recognised(path, y) if wanted == "auto" else wanted
    read = {
        "classes": _classes,
        "ordinal": _ordered,
        "multi-label": _several,
        "regression": _numbers,
    }[target]
    column = read(path, y, labels)
    if target in ("classes", "ordinal") and y.ndim == 1:
        notes += _doubtful(y, column.classes, wanted == "auto")
    if wanted == "auto" and target != "classes":
        what = {
            "multi-label": f"{len(column.classes)} labels, of which a row has some",
            "regression": "numbers to predict (regression)",
        }[target]
        notes.append(f"y read as {what}; target (--data.target) changes that")
    return TargetColumn(
        target, column.classes, column.values, column.whole, (*notes, *column.notes)
    )


def known_target(path: str, y: Array, task: Task) -> Tensor:
    """Return the targets of more rows, as a finished training reads its own.

    Args:
        path: File, for messages.
        y: Result of `checked_labels`.
        task: Task of the training.

    Raises:
        ValueError: If `y` has another shape, or a class that training never had.
    """
    if y.ndim == 2 and y.shape[1] == 1 and task.target != "multi-label":
        y = y[:, 0]
    if task.target in ("regression", "multi-label"):
        values = (_as_numbers if task.target == "regression" else _as_hot)(path, y)
        if values.shape[1] != len(task.classes):
            raise ValueError(
                f"{path}: expected y with a column for each of {', '.join(task.classes)}, got "
                f"shape {y.shape}"
            )
        return torch.from_numpy(values)
    if y.ndim == 2:
        values = _one_hot(path, y)
        if y.shape[1] != len(task.classes):
            raise ValueError(
                f"{path}: expected {len(task.classes)} columns of one-hot labels, got {y.shape[1]}"
            )
        return torch.from_numpy(values)
    return class_numbers(path, y, task.classes)


def class_numbers(path: str, labels: Array, classes: tuple[str, ...]) -> Tensor:
    """Return the number of each label's class, int64 ``(n,)``; raise ValueError if it is none."""
    values, inverse = np.unique(labels, return_inverse=True)
    numbers = {name: number for number, name in enumerate(classes)}
    for value in values:
        if (name := _name(value)) not in numbers:
            row = int(np.flatnonzero(labels == value)[0])
            raise ValueError(
                f"{path}: row {row} has the label {name!r}, which training never had; "
                f"{nearest(name, classes)}"
            )
    codes = np.array([numbers[_name(value)] for value in values], dtype=np.int64)
    return torch.from_numpy(codes[inverse.reshape(-1)])


def _name(value: object) -> str:
    """Return a label as text; a whole float as the whole number."""
    if isinstance(value, np.floating) and float(value).is_integer():
        return str(int(value))
    return text(value)


def _recognised(path: str, y: Array) -> TargetName:
    """Return the kind of target that values stand for; raise `ValueError` where it may be two."""
    kind, rows = y.dtype.kind, len(y)
    if y.ndim == 2:
        if kind in "US":
            raise ValueError(
                f"{path}: expected one label per row as text, got y of shape {y.shape}; several "
                "labels are a column of 0 and 1 for each"
            )
        if _is_hot(y):
            if (y.sum(1) == 1).all():
                _ask(path, f"every row of y {y.shape} has exactly one 1", "classes", "multi-label")
            return "multi-label"
        if kind == "f" and not _is_whole(y):
            return "regression"
        raise ValueError(
            f"{path}: y has {y.shape[1]} columns of whole numbers; if these are numbers to "
            "predict, say target='regression' (--data.target regression)"
        )
    if kind == "f":
        if not _is_whole(y):
            return "regression"
        _ask(path, "y holds whole numbers stored as float", "classes", "regression")
    if kind in "iu":
        different = len(np.unique(y))
        if different >= MANY and different > MANY_SHARE * rows:
            _ask(path, f"y holds {different} whole numbers in {rows} rows", "regression", "classes")
    return "classes"


def _ask(path: str, what: str, one: str, other: str) -> NoReturn:
    raise ValueError(
        f"{path}: {what}, which may be {one} or {other}; say which with target={one!r} "
        f"or target={other!r} (--data.target {one} or {other})"
    )


def _is_whole(y: Array) -> bool:
    return bool(np.isfinite(y).all() and (y == np.round(y)).all())


def _is_hot(y: Array) -> bool:
    return y.dtype.kind in "biuf" and bool(np.isin(y, (0, 1)).all())


def _classes(path: str, y: Array, labels: Sequence[str] | None) -> TargetColumn:
    if y.ndim == 2:
        codes = _one_hot(path, y)
        names = _names(path, y.shape[1], labels, [str(k) for k in range(y.shape[1])])
        return TargetColumn("classes", names, torch.from_numpy(codes), labels is None)
    if labels is not None:
        raise ValueError(
            "labels names the columns of y, or ordered classes; y of classes has their names"
        )
    values = np.unique(y)
    if len(values) < 2:
        raise ValueError(
            f"{path}: every label is {_name(values[0])!r}; expected at least two classes"
        )
    names = tuple(map(_name, values))
    return TargetColumn("classes", names, class_numbers(path, y, names), y.dtype.kind in "biuf")


def _doubtful(y: Array, classes: tuple[str, ...], recognised: bool) -> list[str]:
    """Return sentences on classes that may be numbers to predict, or stand for no label."""
    notes, whole = [], y.dtype.kind in "iu"
    if whole and recognised and len(classes) >= MANY:
        notes.append(
            f"y holds {len(classes)} whole numbers from {y.min()} to {y.max()}, read as classes; "
            "numbers to predict are target='regression' (--data.target regression)"
        )
    doubtful = [name for name in classes if name.lower() in PERHAPS_NONE]
    if whole and len(classes) > 2 and (classes[0] == "-1" or int(classes[0]) <= -99):
        doubtful += [name for name in classes[:1] if int(classes[1]) >= 0]
    for name in doubtful:
        count = int((y == (int(name) if whole else name)).sum())
        notes.append(
            f"{name} is read as a class of {count} rows; if it stands for no label, leave these "
            "rows out"
        )
    return notes


def _ordered(path: str, y: Array, labels: Sequence[str] | None) -> TargetColumn:
    if y.ndim == 2:
        raise ValueError(f"{path}: expected ordered classes of shape ({len(y)},), got {y.shape}")
    if labels is None and y.dtype.kind in "US":
        values = ", ".join(map(_name, np.unique(y)[:8]))
        raise ValueError(
            f"{path}: expected the order of the classes {values}, since text has none; list them "
            "from the lowest to the highest in labels (--data.labels)"
        )
    names = tuple(map(_name, np.unique(y))) if labels is None else tuple(labels)
    if len(names) < 2:
        raise ValueError(f"{path}: every label is {names[0]!r}; expected at least two classes")
    return TargetColumn("ordinal", names, class_numbers(path, y, names), y.dtype.kind in "iuf")


def _several(path: str, y: Array, labels: Sequence[str] | None) -> TargetColumn:
    values = _as_hot(path, y)
    many = values.shape[1]
    names = _names(path, many, labels, [str(k) for k in range(many)])
    never = [name for name, n in zip(names, values.sum(0).tolist(), strict=True) if not n]
    notes: tuple[str, ...] = ()
    if never:
        notes = (f"no training row has the label {', '.join(never)}, so it cannot be learnt",)
    return TargetColumn("multi-label", names, torch.from_numpy(values), notes=notes)


def _numbers(path: str, y: Array, labels: Sequence[str] | None) -> TargetColumn:
    values = _as_numbers(path, y)
    many = values.shape[1]
    default = ["y"] if many == 1 else [f"y{k}" for k in range(many)]
    names = _names(path, many, labels, default)
    for name, column in zip(names, values.T, strict=True):
        if column.min() == column.max():
            raise ValueError(
                f"{path}: {name} is {column[0]:g} in every row, so there is nothing to learn"
            )
    return TargetColumn("regression", names, torch.from_numpy(values))


def _names(
    path: str, many: int, labels: Sequence[str] | None, default: Sequence[str]
) -> tuple[str, ...]:
    names = tuple(default if labels is None else labels)
    if len(names) != many or len(set(names)) < many:
        raise ValueError(
            f"{path}: expected {many} different labels, one for each column of y, got "
            f"{', '.join(names)}"
        )
    return names


def _one_hot(path: str, y: Array) -> Array:
    """Return the class of each row of one-hot labels, int64 ``(n,)``."""
    if not _is_hot(y) or not (y.sum(1) == 1).all():
        raise ValueError(
            f"{path}: expected one class per row, got y of shape {y.shape} in which a row does not "
            "have exactly one 1; several labels per row are target='multi-label', several "
            "numbers target='regression' (--data.target)"
        )
    return np.asarray(y.argmax(1), dtype=np.int64)


def _as_hot(path: str, y: Array) -> Array:
    if not _is_hot(y) or y.ndim != 2:
        got = f"shape {y.shape}" if y.ndim != 2 else "other values"
        raise ValueError(
            f"{path}: expected y of shape ({len(y)}, labels) with 1 where a row has a label and 0 "
            f"where not, got {got}"
        )
    return np.ascontiguousarray(y, dtype=np.int64)


def _as_numbers(path: str, y: Array) -> Array:
    """Return numbers to predict, float64 ``(n, D)``."""
    if y.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected y as numbers to predict, got {y.dtype}")
    values = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
    infinite = np.flatnonzero(~np.isfinite(values).all(1))
    if len(infinite):
        raise ValueError(
            f"{path}: row {infinite[0]} has an infinite target ({len(infinite)} such rows); mend "
            "it, or leave such rows out"
        )
    return values
