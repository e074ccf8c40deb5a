"""A table before it is written as Markdown, in a terminal or on the page; a block with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval, smallest_sign_p
from dmrnet.report.summary.summary import DataSummary

if TYPE_CHECKING:
    from dmrnet.report.figures.drawing.figure import Figure

SEEN, UNSEEN = "●", "○"
"""The paper's marks of an available and a missing modality."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: its text, a second line, such as the difference to the baseline, below.

    Attributes:
        best: Whether the cell is the best of its column or row.
        hint: Text of the tooltip, such as the numbers of the seeds.
        value: Number to sort by, if it cannot be read off the text.
    """

    text: str
    below: str = ""
    best: bool = False
    hint: str = ""
    value: float | None = None


_LEVEL = 0.05

EMPTY = Cell(fmt.NOTHING)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first ``names`` columns hold names or marks, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1

    def without_empty_columns(self) -> Table:
        """Return the table without columns of numbers that are empty in every row."""
        full = [
            index
            for index in range(len(self.header))
            if index < self.names or any(row[index].text != fmt.NOTHING for row in self.rows)
        ]
        rows = (tuple(row[index] for index in full) for row in self.rows)
        return Table(tuple(self.header[index] for index in full), tuple(rows), self.names)


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


def score_cell(
    value: Estimate | None, best: Estimate | None, digits: int = 2, below: str = ""
) -> Cell:
    """Return a score in percent; it is best if it reads like the best one."""
    if value is None:
        return EMPTY
    is_best = best is not None and fmt.percent(value.mean, digits) == fmt.percent(best.mean, digits)
    return Cell(fmt.estimate(value, digits), below, is_best, fmt.by_seed(value))


def best_of(summary: DataSummary, scores: Sequence[Estimate | None]) -> Estimate | None:
    """Return the best of two or more scores, if chance does not explain what it is ahead by.

    Returns:
        The best; None with fewer scores, as there is no choice, and where the 95% interval of its
        difference to any other, paired by seed, holds 0, is not known, or has no width over fewer
        seeds than a sign test needs. Printed numbers have no seeds and are taken as they are.
    """
    values = [value for value in scores if value is not None]
    if len(values) < 2:
        return None
    best, *others = sorted(values, key=lambda value: summary.score.error(value.mean))
    # A score may share few seeds with the best, so that a larger lead over it is less sure.
    return best if all(_is_ahead(summary, best, other) for other in others) else None


def _is_ahead(summary: DataSummary, best: Estimate, other: Estimate) -> bool:
    """Whether a score is better than another by more than chance."""
    if not best.seeds or not other.seeds:
        return True
    difference = paired_difference(best, other)
    if difference is None or (ends := interval(difference)) is None or ends[0] * ends[1] <= 0:
        return False
    if (difference.mean < 0) != summary.score.lower_is_better:
        return False
    # Where all seeds differ by the same, the interval has no width, which is no certainty.
    few = smallest_sign_p(len(difference.seeds)) > _LEVEL
    return not (few and difference.is_constant)


def average_rows(
    summary: DataSummary,
    systems: Sequence[tuple[str, Mapping[str, Estimate], Mapping[str, Estimate]]],
    names: Sequence[str],
    digits: int = 2,
) -> list[tuple[Cell, ...]]:
    """Return a row for each system: averages, and below each the score of all modalities.

    Args:
        summary: Summary of the data set.
        systems: Label, averages and scores of all modalities of each system.
        names: Names of the columns in both.
        digits: Decimals.
    """
    best = {name: best_of(summary, [means.get(name) for _, means, _ in systems]) for name in names}
    rows = []
    for label, means, full in systems:
        below = {name: f"all {fmt.percent(one.mean, digits)}" for name, one in full.items()}
        cells = (score_cell(means.get(n), best[n], digits, below.get(n, "")) for n in names)
        rows.append((Cell(label), *cells))
    return rows
