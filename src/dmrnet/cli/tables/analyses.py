"""Terminal tables of the analyses of one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dmrnet.cli.screen import plain_table

MEANINGS = {
    "channel-distance": "mean channel distance, 0 to 2, within one modality or between two",
    "angles": "mean angles in degrees between embeddings of one class",
    "variance": "mean sigma^2 in training, at the epoch whose weights are kept",
    "hard-set": "share of a hard set among the equally many worst combinations",
}
"""Description of each analysis."""


def show_analyses(console: Console, rows: Iterable[Mapping[str, Any]], split: str) -> None:
    """Print the analyses in the rows of one run, without their values by class."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if "/" not in row["metric"]:
            by_name.setdefault(row["analysis"], []).append(row)
    for name, group in by_name.items():
        meaning = MEANINGS[name.partition("@")[0]]
        console.print(Text.assemble((name, "bold"), f" on {split}: {meaning}"), soft_wrap=True)
        if run_rows := [row for row in group if not row["combination"]]:
            console.print(_run_table(run_rows))
        if combination_rows := [row for row in group if row["combination"]]:
            console.print(_combination_table(combination_rows))
        console.print()


def _run_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    table = plain_table([""], [""])
    table.show_header = False
    for row in rows:
        table.add_row(Text(row["metric"]), format_value(row["value"]))
    return table


def _combination_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    by_name: dict[str, dict[str, float | None]] = {}
    for row in rows:
        by_name.setdefault(row["combination"], {})[row["metric"]] = row["value"]
    metrics = list(dict.fromkeys(metric for values in by_name.values() for metric in values))
    table = plain_table(["combination"], metrics)
    for name, values in by_name.items():
        table.add_row(Text(name), *(format_value(values.get(metric)) for metric in metrics))
    return table


def format_value(value: float | None) -> str:
    """Return a number with three decimals, or one if it is large.

    >>> format_value(0.12345), format_value(61.23), format_value(None)
    ('0.123', '61.2', '-')
    """
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
