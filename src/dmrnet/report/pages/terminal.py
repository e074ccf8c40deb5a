"""The main tables for a terminal. The only module of the report that imports rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table as RichTable
from rich.text import Text

from dmrnet.report.pages.prose import opening
from dmrnet.report.pages.tables.classes import constant_text
from dmrnet.report.pages.tables.scores import main_table
from dmrnet.report.pages.tables.table import Cell
from dmrnet.report.summary.notes import facts_on, warnings_on
from dmrnet.report.summary.summary import DataSummary


def terminal_table(summaries: Sequence[DataSummary]) -> RenderableType:
    """Return the main table and the notes of every data set."""
    return Group(*(part for item in summaries for part in _one(item)))


def _one(summary: DataSummary) -> list[RenderableType]:
    table = main_table(summary)
    title = f"{summary.dataset}, {summary.score.label} {summary.score.unit} on {summary.split}"
    grid = RichTable(
        title=Text(title),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, name in enumerate(table.header):
        grid.add_column(
            Text(name),
            justify="left" if index < table.names else "right",
            overflow="fold" if index < table.names else "ellipsis",
        )
    for row in table.rows:
        grid.add_row(*(_cell(cell) for cell in row))
    measured = any(item.seeds for item in summary.systems)
    reading = "mean ± standard error over seeds" if measured else "as printed"
    if summary.baseline is not None:
        reading += (
            f"; below it, the difference to {summary.baseline}, paired by seed, with its 95% "
            "interval"
        )
    lines = [Text(f"{reading}.", style="dim")]
    if constant := constant_text(summary):
        lines.append(Text(constant.replace(" (dashed in the figures)", ""), style="dim"))
    lines += [Text(f"Warning: {text}", style="yellow") for text in warnings_on(summary)]
    lines += [Text(f"Note: {text}", style="dim") for text in facts_on(summary)]
    # A table is as wide as it needs to be; a sentence is no wider than a terminal.
    parts: list[RenderableType] = [grid, Text(""), *(Constrain(line, 80) for line in lines)]
    if text := opening(summary):
        parts = [Constrain(Text(text, style="bold"), 80), Text(""), *parts]
    return [*parts, Text("")]


def _cell(cell: Cell) -> Text:
    text = Text(cell.text, style="bold" if cell.best else "")
    if cell.below:
        # An interval has a line of its own, so that four such columns fit.
        text.append("\n" + cell.below.replace(" [", "\n["), style="dim")
    return text
