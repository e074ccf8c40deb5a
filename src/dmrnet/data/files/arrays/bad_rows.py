"""Rows of a file that cannot be used, found one by one so that the others can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from dmrnet.data.files.arrays.numbers import Array

BadRows = Literal["refuse", "skip"]
"""Treatment of a file with bad rows: refuse it, or skip those rows."""


class SkippedRow(NamedTuple):
    """A row that was left out: its number in the file, its name, and why."""

    row: int
    name: str
    reason: str


def failing_rows(check: Callable[[Array], object], rows: Array) -> dict[int, str]:
    """Return the rows of which a check fails, with its messages; it is tried on ever fewer rows.

    Args:
        check: Called with row numbers; raises `ValueError` if one of these rows is bad.
        rows: Row numbers, int64 ``(n,)``.

    >>> def check(rows):
    ...     if 5 in rows:
    ...         raise ValueError("no number")
    >>> failing_rows(check, range(8))
    {5: 'no number'}
    """
    try:
        check(rows)
    except ValueError as error:
        if len(rows) == 1:
            return {int(rows[0]): str(error)}
        half = len(rows) // 2
        return {**failing_rows(check, rows[:half]), **failing_rows(check, rows[half:])}
    return {}


def check_some(path: str, bad: Mapping[int, str], rows: int) -> None:
    """Raise `ValueError` for a file of which no row can be used.

    Args:
        path: Path of the file, for the message.
        bad: Why rows cannot be used, by number.
        rows: Number of rows.
    """
    if len(bad) == rows:
        raise ValueError(f"{path}: every row is bad; row 0: {bad[0]}")


def skipped_notes(skipped: tuple[SkippedRow, ...], most: int = 20) -> list[str]:
    """Return a sentence on each skipped row, the first `most` of them, and on how many more.

    >>> skipped_notes((SkippedRow(4, "p4", "tab: no number"),))
    ['row 4 (p4): skipped: tab: no number']
    """
    notes = [
        f"row {one.row}{'' if one.name == str(one.row) else f' ({one.name})'}: skipped: "
        f"{one.reason}"
        for one in skipped[:most]
    ]
    if len(skipped) > most:
        notes.append(f"{len(skipped) - most} more rows are skipped")
    return notes


def skipped_rows(bad: Mapping[int, str], names: tuple[str, ...] | None) -> tuple[SkippedRow, ...]:
    """Return the bad rows in order, with their names; the numbers where they have none."""
    return tuple(
        SkippedRow(row, names[row] if names else str(row), bad[row]) for row in sorted(bad)
    )


def file_fault(error: Exception) -> str:
    """Return what is wrong with a file that could not be read or decoded.

    >>> file_fault(FileNotFoundError(2, "No such file")), file_fault(ValueError("is empty"))
    ('is missing', 'is empty')
    """
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return getattr(error, "strerror", None) or str(error)


def reason_of(error: Exception, where: str) -> str:
    """Return an error as the reason why a sample is skipped, without its place.

    >>> reason_of(ValueError("sample 3, modality a: it holds infinity"), "sample 3")
    'modality a: it holds infinity'
    >>> reason_of(KeyError("a"), "sample 3")
    "KeyError: 'a'"
    """
    reason = str(error).removeprefix(where).lstrip(",: ").strip()
    if isinstance(error, ValueError | TypeError | OSError) and reason:
        return reason
    return f"{type(error).__name__}{f': {reason}' if reason else ''}"
