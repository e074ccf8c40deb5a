"""Published lists: text files with one sample a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class Lines(Generic[Row]):
    """What the good lines of a list say, and why others are bad, by line number from 1."""

    rows: dict[int, Row]
    bad: dict[int, str]


def parse_lines(content: bytes, path: str, form: str, parse: Callable[[str], Row]) -> Lines[Row]:
    r"""Parse a list; a byte-order mark, carriage returns and empty lines make no difference.

    Args:
        content: Content of the file.
        path: Path of the file, for messages.
        form: Form of a line, for messages.
        parse: Returns what a line says; raises ValueError if it is bad.

    Raises:
        ValueError: If the content is no text in UTF-8, or no line is good.

    >>> parse_lines(b"\xef\xbb\xbf7\r\n\nx", "a.txt", "<number>", int).rows
    {1: 7}
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got something else ({error})") from error
    rows: dict[int, Row] = {}
    bad: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip(" \t,"):
            try:
                rows[number] = parse(line)
            except ValueError as error:
                bad[number] = str(error)
    if not rows:
        first = next((f" (line {number}: {reason})" for number, reason in bad.items()), "")
        raise ValueError(f"{path}: expected lines '{form}', found none{first}")
    return Lines(rows, bad)
