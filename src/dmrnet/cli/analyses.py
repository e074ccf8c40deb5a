"""The analyses of one run, from their rows: tables by combination, and figures of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

MEANINGS = {
    "channel-distance": "mean distance between channels, 0 to 2; of one modality, or between two",
    "angles": "mean angles in degrees between embeddings of one class",
    "variance": "mean sigma^2 in training, at the epoch whose weights are kept",
    "hard-set": "share of a hard set that is among as many that score worst",
}
"""What a number is, for a reader."""


def show_analyses(console: Console, rows: Iterable[Mapping[str, Any]], split: str) -> None:
    """Print analyses; what is said of each class is left to the file.

    Args:
        console: Where to.
        rows: Those of one run.
        split: Of whose samples they are.
    """
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if "/" not in row["metric"]:
            by_name.setdefault(row["analysis"], []).append(row)
    for name, found in by_name.items():
        meaning = MEANINGS[name.partition("@")[0]]
        console.print(Text.assemble((name, "bold"), f" on {split}: {meaning}"), soft_wrap=True)
        of_run = [row for row in found if not row["combination"]]
        if of_run:
            console.print(_of_run(of_run))
        of_combinations = [row for row in found if row["combination"]]
        if of_combinations:
            console.print(_of_combinations(of_combinations))
        console.print()


def _of_run(rows: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(Text(row["metric"]), written(row["value"]))
    return table


def _of_combinations(rows: Iterable[Mapping[str, Any]]) -> Table:
    by_name: dict[str, dict[str, float | None]] = {}
    for row in rows:
        by_name.setdefault(row["combination"], {})[row["metric"]] = row["value"]
    metrics = list(dict.fromkeys(metric for values in by_name.values() for metric in values))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("combination")
    for metric in metrics:
        table.add_column(Text(metric), justify="right")
    for name, values in by_name.items():
        table.add_row(Text(name), *(written(values.get(metric)) for metric in metrics))
    return table


def written(value: float | None) -> str:
    """Return a number as tables show it: three digits behind the point, one where it is large.

    >>> written(0.12345), written(61.23), written(None)
    ('0.123', '61.2', '-')
    """
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
