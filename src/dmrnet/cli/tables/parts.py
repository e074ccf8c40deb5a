"""Terminal table of the parts of a score of one run, such as Dice of each region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.cli.screen import plain_table, score_text
from dmrnet.report.records.metrics import SCORES, score_label
from dmrnet.report.summary.parts import SEPARATOR, is_part

if TYPE_CHECKING:
    from rich.console import Console

    from dmrnet.api.scores import Scores

MOST_PARTS = 12
"""Largest number of parts that are shown."""


def show_parts(console: Console, scores: Scores) -> None:
    """Print the parts of a score, and those of other scores beside; nothing without any."""
    metric, whole = scores.metric, "+".join(scores.modalities)
    found = {
        name: defined
        for name, column in scores.values.items()
        if (defined := {one: value for one, (value, _) in column.items() if value == value})
    }
    parts = [name.partition(SEPARATOR)[2] for name in found if is_part(name, metric)][:MOST_PARTS]
    if not parts:
        return
    counted = [name for name in found[metric] if name not in scores.left_out]
    others = [one.name for one in SCORES if one.name != metric and one.name in found]
    others = [name for name in others if any(f"{name}{SEPARATOR}{part}" in found for part in parts)]
    heads = [f"{score_label(name)}, {what}" for name in (metric, *others) for what in WHAT]
    table = plain_table(("",), heads)
    for part in parts:
        cells = []
        for name in (metric, *others):
            values = found.get(f"{name}{SEPARATOR}{part}", {})
            some = [values[one] for one in counted if one in values]
            mean = sum(some) / len(some) if some else None
            cells += [score_text(name, mean), score_text(name, values.get(whole))]
        table.add_row(part, *cells)
    console.print()
    console.print(table)


WHAT = ("average", "all modalities")
"""Columns of the table of a part."""
