"""Encoding of a table's columns as modalities; kept with a run, for further tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dmrnet.data.tables.columns import CellsByColumn, ColumnKind, kind_of, list_column, number
from dmrnet.hints import nearest

JOINS = "+"
"""Joins the columns of a modality in settings."""

LEAST_NUMBERS, MOST_ODD = 5, 0.2
"""Least number of different numbers, and largest share of other cells, of a column of numbers."""

MOST_SHOWN = 3
"""Number of categories that a sentence names."""

PARTS = "."
"""Parts the name of a modality from that of its column."""


@dataclass(frozen=True)
class ModalityEncoding:
    """Encoding of one modality.

    Attributes:
        kind: ``vector`` of numbers and categories, or ``image``, ``sound`` or ``array`` from files.
        columns: Its columns; one column of file names.
        categories: Values of each column of categories, which become one feature each.
        whole_list: Whether the columns are all items of the lists of one column.
    """

    kind: Literal["vector", "image", "sound", "array"]
    columns: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole_list: bool = False


@dataclass(frozen=True)
class Encoding:
    """Encoding of a table.

    Attributes:
        modalities: Every modality by name, in order.
        size: Height and width of images; None keeps that of the files.
        samples_in_sound: Number of samples of every sound; None keeps that of the files.
    """

    modalities: Mapping[str, ModalityEncoding]
    size: tuple[int, int] | None = None
    samples_in_sound: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the encoding as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Encoding:
        """Return the encoding that `as_dict` returned."""
        modalities = {
            name: ModalityEncoding(
                one["kind"],
                tuple(one["columns"]),
                {column: tuple(values) for column, values in one["categories"].items()},
                one.get("whole_list", False),
            )
            for name, one in stored["modalities"].items()
        }
        size = None if stored["size"] is None else (stored["size"][0], stored["size"][1])
        return cls(modalities, size, stored["samples_in_sound"])


def fit_modalities(
    path: str, table: CellsByColumn, columns: Mapping[str, str] | None, others: Sequence[str]
) -> dict[str, ModalityEncoding]:
    """Return how each modality of a training table is read.

    Args:
        path: Path of the table, for messages.
        table: Its columns.
        columns: Columns of each modality, joined by ``+``; None takes columns named
            ``modality.column`` together, and each column of files as a modality.
        others: Columns that are no modality: labels, names, groups.

    Raises:
        ValueError: If a column is missing, or a modality holds columns that do not go together.
    """
    chosen = _by_name(path, table, others) if columns is None else _stated(path, table, columns)
    return {name: _modality(path, name, table, of) for name, of in chosen.items()}


def _stated(
    path: str, table: CellsByColumn, columns: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    stated = {}
    for modality, joined in columns.items():
        # A column may hold the sign itself.
        written = (joined,) if joined in table else joined.split(JOINS)
        names = tuple(column for name in written for column in _columns_of(name, table))
        for name in names:
            if name not in table:
                raise ValueError(
                    f"columns: {path} has no column {name!r} for {modality}; "
                    f"{nearest(name, list(table))}"
                )
        stated[modality] = names
    return stated


def _columns_of(name: str, table: CellsByColumn) -> Sequence[str]:
    """Return the columns of the items of a list, or the name itself."""
    items = [column for column in table if list_column(column) == name]
    return items if items and name not in table else [name]


def _by_name(path: str, table: CellsByColumn, others: Sequence[str]) -> dict[str, tuple[str, ...]]:
    modalities: dict[str, tuple[str, ...]] = {}
    for name, values in table.items():
        if name in others:
            continue
        modality, parts, _ = (list_column(name) or name).partition(PARTS)
        if not parts and list_column(name) is None and kind_of(values) in ("number", "category"):
            raise ValueError(
                f"{path}: the column {name!r} belongs to no modality: name it modality.{name}, or "
                f"say which columns each modality has (e.g. --data.columns "
                f"vitals=age+weight,camera=photo)"
            )
        modalities[modality] = (*modalities.get(modality, ()), name)
    return modalities


def _modality(
    path: str, name: str, table: CellsByColumn, columns: Sequence[str]
) -> ModalityEncoding:
    kinds: dict[str, ColumnKind] = {column: kind_of(table[column]) for column in columns}
    files = [column for column, kind in kinds.items() if kind not in ("number", "category")]
    if files:
        if len(columns) > 1:
            raise ValueError(
                f"{path}: modality {name}: expected one column of file names or columns of numbers "
                f"and categories, got {', '.join(f'{c} ({k})' for c, k in kinds.items())}; make "
                "each column of files a modality"
            )
        kind = kinds[files[0]]
        assert kind in ("image", "sound", "array")
        return ModalityEncoding(kind, tuple(columns))
    categories = {
        column: tuple(sorted({value for value in table[column] if value is not None}))
        for column, kind in kinds.items()
        if kind == "category"
    }
    for column, values in categories.items():
        rows = sum(value is not None for value in table[column])
        _check_no_numbers(path, column, table[column])
        if len(values) > max(20, rows // 2):
            raise ValueError(
                f"{path}: the column {column!r} of modality {name} has {len(values)} different "
                f"texts in {rows} rows, too many for categories; leave it out, or make it numbers"
            )
    base = list_column(columns[-1])
    whole_list = base is not None and list(columns) == list(_columns_of(base, table))
    return ModalityEncoding("vector", tuple(columns), categories, whole_list)


def _check_no_numbers(path: str, column: str, cells: Sequence[str | None]) -> None:
    """Refuse a column of categories that is one of numbers but for a few cells."""
    numbers = {cell for cell in cells if cell is not None and number(cell) is not None}
    odd = [row for row, cell in enumerate(cells) if cell is not None and cell not in numbers]
    known = sum(cell is not None for cell in cells)
    if len(numbers) >= LEAST_NUMBERS and len(odd) <= MOST_ODD * known:
        raise ValueError(
            f"{path}: row {odd[0]}, column {column!r}: {cells[odd[0]]!r} is no number, as the "
            f"other cells are ({len(odd)} such cells); mend or empty it; if all are codes, let "
            "each begin with a letter"
        )


def category_notes(modalities: Mapping[str, ModalityEncoding]) -> list[str]:
    """Return sentences on columns that are read as categories."""
    return [
        f"{column} read as {len(values)} categories ({', '.join(values[:MOST_SHOWN])}"
        f"{', ...' * (len(values) > MOST_SHOWN)})"
        for one in modalities.values()
        for column, values in one.categories.items()
    ]
