"""The table of the parts of a score, such as Dice of each region."""

from __future__ import annotations

from dmrnet.report.pages.tables.table import Table, average_rows
from dmrnet.report.records.metrics import Score
from dmrnet.report.summary.summary import DataSummary

MOST_PARTS = 12
"""Largest number of parts whose columns are shown."""


KINDS = {"dice": "region", "hd95": "region", "mae": "target", "r2": "target", "map": "label"}
"""Parts of a score, by its name."""

REGIONS = (
    " The score itself is the mean over the named regions where there are some, else over every "
    "class but the first."
)


def part_names(summary: DataSummary) -> list[str]:
    """Return the parts that any system has, in order, at most `MOST_PARTS`."""
    return list(dict.fromkeys(part for one in summary.parts for part in one.scores))[:MOST_PARTS]


def part_table(summary: DataSummary) -> Table:
    """One row per system: the average of each part, and below it that of all modalities."""
    names, full = part_names(summary), summary.full
    systems = [
        (one.label, one.averages, {part: of[full] for part, of in one.scores.items() if full in of})
        for one in summary.parts
    ]
    return Table(("System", *names), tuple(average_rows(summary, systems, names)))


def part_kind(score: Score) -> str:
    """Return what the parts of a score are."""
    return KINDS.get(score.name, "part")


def how_parts(score: Score) -> str:
    """Return how to read the table."""
    mean = "" if part_kind(score) != "region" else REGIONS
    what = "Percent" if score.rate else f"{score.label}, in its unit"
    return f"{what}; average over combinations, below it with all modalities.{mean}"
