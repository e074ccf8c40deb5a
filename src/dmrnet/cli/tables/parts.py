"""Terminal table of the parts of a score of one run, such as Dice of each region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmrnet.cli.screen import plain_table, score_text
from dmrnet.report.records.metrics import SCORES, score_label
from dmrnet.report.summary.parts import SEPARATOR, is_part

if TYPE_CHECKING:
    from rich.console import Console

MOST_PARTS = 12
"""Largest number of parts that are shown."""


def show_parts(
    console: Console,
    rows: Iterable[Mapping[str, Any]],
    split: str,
    names: Sequence[str],
    counted: Sequence[str],
    metric: str,
) -> None:
    """Print the parts of a score, and those of other scores beside; nothing without any.

    Args:
        console: Console to print to.
        rows: Rows of the run.
        split: Split to show.
        names: Modalities in order.
        counted: Combinations that averages are of.
        metric: The score.
    """
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["split"] == split and row["value"] is not None and row["combination"]:
            values = found.setdefault(str(row["metric"]), {})
            values[str(row["combination"])] = float(row["value"])
    parts = [name.partition(SEPARATOR)[2] for name in found if is_part(name, metric)][:MOST_PARTS]
    if not parts:
        return
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
            cells += [score_text(name, mean), score_text(name, values.get("+".join(names)))]
        table.add_row(part, *cells)
    console.print()
    console.print(table)


WHAT = ("average", "all modalities")
"""Columns of the table of a part."""
