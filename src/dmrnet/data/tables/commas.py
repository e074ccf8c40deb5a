"""Numbers that are written with commas, for decimals or for thousands."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DECIMAL = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
_FRACTION = re.compile(r"[-+]?0,")
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

Cells = Sequence[str | None]


def without_commas(path: str, name: str, cells: Cells, delimiter: str) -> tuple[Cells, str]:
    """Return the cells of a column with points for decimal commas, and a sentence if there were.

    Commas are decimal in tables whose cells are parted by semicolons or tabs. In others a cell with
    a comma is in quotes, and may be a list of codes: it stays text.

    Args:
        path: The table, for messages.
        name: Name of the column.
        cells: Its cells.
        delimiter: What parts the cells of a row.

    Raises:
        ValueError: If commas part thousands, or may do so: ``1,234``.

    >>> without_commas("a.csv", "age", ["70,5", None, "3"], ";")
    (['70.5', None, '3'], 'age: commas are read as decimal points, 70,5 as 70.5')
    """
    known = [cell for cell in cells if cell is not None]
    commas = [cell for cell in known if "," in cell]
    if not commas or not all(_is_number(cell) for cell in known):
        return cells, ""
    # A zero parts no thousands: one such cell says what the others are.
    decimal = delimiter != "," and any(_FRACTION.match(cell) for cell in commas)
    if not decimal and all(_THOUSANDS.fullmatch(cell) for cell in commas):
        raise ValueError(
            f"{path}: column {name!r}: {commas[0]} may be {commas[0].replace(',', '')} or "
            f"{commas[0].replace(',', '.', 1)}; write numbers without commas"
        )
    if delimiter == "," or not all(_DECIMAL.fullmatch(cell) for cell in commas):
        return cells, ""
    first = commas[0]
    read = [None if cell is None else cell.replace(",", ".") for cell in cells]
    return read, f"{name}: commas are read as decimal points, {first} as {first.replace(',', '.')}"


def _is_number(cell: str) -> bool:
    return any(form.fullmatch(cell) for form in (_PLAIN, _DECIMAL, _THOUSANDS))
