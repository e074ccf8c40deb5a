"""Terminal tables of the patterns of presence: which combinations samples have, by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.cli.screen import plain_table
from dmrnet.report.pages.tables.table import SEEN, UNSEEN

if TYPE_CHECKING:
    from rich.console import Console

    from dmrnet.data.dataset import Splits

MOST_ROWS = 15
"""Largest number of combinations shown."""

MOST_CLASSES = 6
"""Largest number of classes shown in columns."""


def show_presence(console: Console, splits: Splits) -> None:
    """Print the combinations that occur, where some samples lack a modality."""
    from dmrnet.data.checks.presence import patterns
    from dmrnet.targets import target_of

    parts, task = splits.parts(), splits.train.task
    if all(bool(part.present.all()) for part in parts.values()):
        return
    counts = {role: patterns(part, 2 ** len(task.modalities)) for role, part in parts.items()}
    every = dict.fromkeys(name for combination in counts.values() for name in combination)
    classes = list(task.classes) if target_of(task).counts and not task.dense else []
    classes = [] if len(classes) > MOST_CLASSES else classes
    heads = [*(f"in {role}" for role in parts), *(f"train: {name}" for name in classes)]
    table = plain_table(task.modalities, heads)
    for column in table.columns[: len(task.modalities)]:
        column.justify = "center"
    for name in list(every)[:MOST_ROWS]:
        marks = [SEEN if one in name.split("+") else UNSEEN for one in task.modalities]
        of = [str(sum(combination.get(name, ()))) for combination in counts.values()]
        by_class = (
            [str(n) for n in counts["train"].get(name, [0] * len(classes))] if classes else []
        )
        table.add_row(*marks, *of, *by_class)
    console.print()
    console.print("what samples have", style="bold")
    console.print(table)
    if (more := len(every) - MOST_ROWS) > 0:
        console.print(f"and {more} more combinations")
