"""The table of the parts of a score, such as Dice of each region."""

from __future__ import annotations

from dmrnet.report.pages.tables.table import Block, Table, average_rows
from dmrnet.report.summary.summary import DataSummary

MOST_PARTS = 12
"""Largest number of parts whose columns are shown."""


KINDS = {"dice": "region", "hd95": "region", "mae": "target", "r2": "target", "map": "label"}
"""Parts of a score, by its name."""

REGIONS = (
    " The score itself is the mean over the named regions where there are some, else over every "
    "class but the first."
)


def part_block(summary: DataSummary) -> Block:
    """One row per system: the average of each part, and below it that of all modalities."""
    parts = dict.fromkeys(part for one in summary.parts for part in one.scores)
    names, full = list(parts)[:MOST_PARTS], summary.full
    systems = [
        (one.label, one.averages, {part: of[full] for part, of in one.scores.items() if full in of})
        for one in summary.parts
    ]
    score, kind = summary.score, KINDS.get(summary.score.name, "part")
    what = "Percent" if score.rate else f"{score.label}, in its unit"
    return Block(
        f"{score.label} by {kind}",
        Table(("System", *names), tuple(average_rows(summary, systems, names))),
        f"{what}; average over combinations, below it with all modalities."
        + (REGIONS if kind == "region" else ""),
        kind="parts",
        caption=f"{score.label} of every system by {kind}",
    )
