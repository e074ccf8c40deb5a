"""Reading a table into columns of text, and telling what a column holds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TextIO

from dmrnet.data.tables.commas import without_commas
from dmrnet.untrusted import check_regular

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
"""Cells that hold nothing, in lower case."""

CellsByColumn = Mapping[str, Sequence[str | None]]
"""Text of every row by column; None where a cell holds nothing."""

ColumnKind = Literal["number", "category", "image", "sound", "array"]

SUFFIXES: dict[ColumnKind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"),
    "sound": (".wav", ".flac", ".ogg"),
    "array": (".npy",),
}


def read_columns(path: Path, notes: list[str] | None = None) -> CellsByColumn:
    """Read a CSV file, or a Parquet file by its ending.

    A Parquet column of lists of numbers, such as embeddings, becomes a column for each number; see
    `item_column`. Decimal commas become points; see `without_commas`.

    Args:
        path: The file.
        notes: Gets sentences about how cells were read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table: no header, no row, a column twice, a row of another length.
        ModuleNotFoundError: If it is a Parquet file and pyarrow is not installed.
    """
    check_regular(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return parse_columns(stream, str(path), notes)


def parse_columns(stream: TextIO, path: str, notes: list[str] | None = None) -> CellsByColumn:
    """Read CSV from a stream; see `read_columns`. The path is for messages."""
    try:
        start = stream.read(65536)
        stream.seek(0)
        dialect = dialect_of(start)
        header, *rows = [row for row in csv.reader(stream, dialect) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a CSV file in UTF-8, got {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: expected a header and rows, got an empty file") from error
    names = [name.strip() for name in header]
    for name in names:
        if names.count(name) > 1 or not name:
            raise ValueError(
                f"{path}: expected each column to have a name of its own, got {name!r}"
            )
    if not rows:
        raise ValueError(f"{path}: expected rows below the header, got none")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise ValueError(
                f"{path}: row {number} has {len(row)} cells, but the header has {len(names)}"
            )
    table: dict[str, Sequence[str | None]] = {}
    for at, name in enumerate(names):
        cells = [_cell(row[at]) for row in rows]
        table[name], comma_notes = without_commas(path, name, cells, dialect.delimiter)
        if comma_notes and notes is not None:
            notes.append(comma_notes)
    return table


def dialect_of(start: str) -> type[csv.Dialect]:
    """Return whether cells are parted by commas, semicolons or tabs, by the header."""
    head = start.partition("\n")[0]
    best = max(",;\t", key=head.count)

    class Found(csv.excel):
        delimiter = best

    return Found


def _read_parquet(path: Path) -> CellsByColumn:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path.name} is read by pyarrow, which is not installed: pip install 'dmrnet[parquet]'"
        ) from error
    try:
        columns = parquet.read_table(path).to_pydict()
    # pyarrow raises many kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(f"{path}: expected a Parquet file, got {error}") from error
    table: dict[str, list[str | None]] = {}
    for name, values in columns.items():
        lists = [value for value in values if isinstance(value, list)]
        items = _items(path, str(name), values, len(lists[0])) if lists else {str(name): values}
        for column, cells in items.items():
            table[column] = [None if cell is None else _cell(str(cell)) for cell in cells]
    return table


def _items(
    path: Path, name: str, values: Sequence[object], length: int
) -> dict[str, list[object | None]]:
    """Return a column of lists as a column for each of their items."""
    for row, value in enumerate(values):
        if isinstance(value, list) and len(value) != length:
            raise ValueError(
                f"{path}: column {name!r}: expected lists of one length, got {length} and "
                f"{len(value)} in row {row}"
            )
    return {
        item_column(name, at): [value[at] if isinstance(value, list) else None for value in values]
        for at in range(length)
    }


def item_column(name: str, at: int) -> str:
    """Return the name of the column of an item of lists.

    >>> item_column("embedding", 0)
    'embedding[0]'
    """
    return f"{name}[{at}]"


def list_column(name: str) -> str | None:
    """Return the name of the column of lists that an item belongs to; None for other columns."""
    base, bracket, at = name.rpartition("[")
    return base if bracket and at.endswith("]") and at[:-1].isdecimal() else None


def _cell(text: str) -> str | None:
    """Return the text of a cell; None if it holds nothing.

    >>> _cell(" 3.5 "), _cell("NaN"), _cell("")
    ('3.5', None, None)
    """
    text = text.strip()
    return None if text.lower() in MISSING else text


def kind_of(values: Sequence[str | None]) -> ColumnKind:
    """Return what a column holds.

    >>> kind_of(["1", None, "2.5"]), kind_of(["a", "b"]), kind_of(["x/1.png", None])
    ('number', 'category', 'image')
    """
    known = [value for value in values if value is not None]
    for kind, suffixes in SUFFIXES.items():
        if known and all(value.lower().endswith(suffixes) for value in known):
            return kind
    return "number" if all(number(value) is not None for value in known) else "category"


def number(text: str) -> float | None:
    """Return the number of a cell; None if it is none.

    >>> number("1e3"), number("12 kg")
    (1000.0, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
