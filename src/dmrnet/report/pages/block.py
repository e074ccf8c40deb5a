"""A block of a page: a heading, a table, how to read it, and figures."""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.pages.tables.table import Table


@dataclass(frozen=True, slots=True)
class Block:
    """Some numbers under a heading; not shown where its table has no rows.

    Attributes:
        reading: How to read the table.
        figures: Figures below it.
        kind: Short name, such as ``worth-table``; of an analysis, its name.
        caption: What the table holds, where the title is too short to say it.
        better: Whether a ``high`` or a ``low`` number is better.
    """

    title: str
    table: Table
    reading: str
    figures: tuple[Figure, ...] = ()
    kind: str = ""
    caption: str = ""
    better: str = "high"
