"""The report as Markdown, and a table as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.mistakes.gather import Mistakes
from dmrnet.report.mistakes.pack import form_of
from dmrnet.report.pages.overview import HOW_GAINED, Overview
from dmrnet.report.pages.prose import facts, how_main, lead, opening
from dmrnet.report.pages.section import Section
from dmrnet.report.pages.tables.mistakes import HOW_MISTAKES, mistake_tables
from dmrnet.report.pages.tables.scores import (
    combination_table,
    cost_table,
    main_cost_table,
    presence_table,
)
from dmrnet.report.pages.tables.table import SEEN, UNSEEN, Block, Cell, Table
from dmrnet.report.summary.notes import facts_on, warnings_on


def render_markdown(
    sections: Sequence[Section], figure_folder: str, overview: Overview | None
) -> str:
    """Return the report as Markdown, with every combination and links to the figures' files."""
    parts = ["# Missing-modality report\n"]
    if overview:
        parts.append("## Over all data sets\n")
        if overview.gains.rows:
            parts += [markdown_table(overview.gains), f"{HOW_GAINED}\n"]
        parts += [markdown_table(overview.ranks), f"{escape_markdown(overview.how_ranked)}\n"]
        parts += _figures(overview.figures, figure_folder)
    for section in sections:
        summary = section.summary
        parts.append(f"## {escape_markdown(section.title)}\n")
        parts += [
            f"{escape_markdown(text)}\n" for text in (opening(summary), lead(summary)) if text
        ]
        parts += [*(f"- {name}: {escape_markdown(text)}" for name, text in facts(summary)), ""]
        for title, texts in (("Warnings", warnings_on(summary)), ("Notes", facts_on(summary))):
            if texts:
                parts += [f"{title}:\n", *(f"- {escape_markdown(text)}" for text in texts), ""]
        parts += [
            markdown_table(main_cost_table(summary)),
            f"{escape_markdown(how_main(summary))}\n",
        ]
        for block in section.scores:
            parts += _block(block, figure_folder)
        parts += _figures(section.figures, figure_folder)
        if isinstance(section.mistakes, Mistakes):
            parts.append("### What gets confused\n")
            for title, table in mistake_tables(section.mistakes).items():
                parts += [f"{escape_markdown(title)}.\n", markdown_table(table)]
            parts.append(f"{HOW_MISTAKES[form_of(section.mistakes)]}\n")
        if isinstance(section.samples, Figure):
            parts += ["### Samples\n", *_figures([section.samples], figure_folder)]
        if section.mistake_figures:
            parts.append("### Predicted and true numbers\n")
            parts += _figures(section.mistake_figures, figure_folder)
        if (presence := presence_table(summary)).rows:
            parts += ["### What training samples have\n", markdown_table(presence)]
        for block in section.more:
            parts += _block(block, figure_folder)
        if section.hardness.rows:
            parts += ["### Hard combinations\n", markdown_table(section.hardness)]
        if section.mined:
            parts.append(markdown_table(section.mined.table))
            parts.append(f"{escape_markdown(section.mined.reading)}\n")
        for block in section.analyses:
            parts += _block(block, figure_folder)
        parts += ["### Every combination\n", f"{SEEN} seen, {UNSEEN} missing.\n"]
        parts.append(markdown_table(combination_table(summary, summary.combinations)))
        if (cost := cost_table(summary)).rows:
            parts += ["### Cost\n", markdown_table(cost)]
        parts += ["### How to repeat\n", "```sh", *section.commands, "```\n"]
    return "\n".join(parts)


def markdown_table(table: Table) -> str:
    """Return a table as Markdown; the second line of a cell is in brackets after the first."""
    ruler = ["---" if index < table.names else "---:" for index in range(len(table.header))]
    lines = [
        [escape_markdown(text) for text in table.header],
        ruler,
        *([_cell(cell) for cell in row] for row in table.rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escape_markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    Example:
        >>> print(escape_markdown("a|b <i>"))
        a\|b \<i\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!])", r"\\\1", text)


def _block(block: Block, figure_folder: str) -> list[str]:
    if not block.table.rows:
        return []
    return [
        f"### {escape_markdown(block.title)}\n",
        markdown_table(block.table),
        f"{escape_markdown(block.reading)}\n",
        *_figures(block.figures, figure_folder),
    ]


def _cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    text = f"**{text}**" if cell.best else text
    return f"{text} ({escape_markdown(cell.below)})" if cell.below else text


def _figures(figures: Sequence[Figure], folder: str) -> list[str]:
    parts = []
    for figure in figures:
        parts.append(f"![{escape_markdown(figure.title)}]({folder}/{figure.name}.svg)\n")
        parts.append(f"*{escape_markdown(figure.caption)}*\n")
    return parts
