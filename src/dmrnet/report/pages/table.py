"""A table before it is written as Markdown, in a terminal or on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.summary import DataSummary

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


def score_cell(value: Estimate | None, best: Estimate | None, digits: int = 2) -> Cell:
    """Return a score in percent; bold if chance explains what the best one is ahead of it."""
    if value is None:
        return EMPTY
    is_best = best is not None and (
        fmt.percent(value.mean, digits) == fmt.percent(best.mean, digits) or _tie(value, best)
    )
    return Cell(fmt.estimate(value, digits), best=is_best, hint=fmt.by_seed(value))


def _tie(value: Estimate, best: Estimate) -> bool:
    """Whether the 95% interval of the difference, paired by seed, holds 0."""
    difference = paired_difference(value, best)
    ends = None if difference is None else interval(difference)
    return ends is not None and ends[0] <= 0 <= ends[1]


def best_of(summary: DataSummary, scores: Sequence[Estimate | None]) -> Estimate | None:
    """Return the best of two or more scores; None with fewer, as there is no choice."""
    values = [value for value in scores if value is not None]
    if len(values) < 2:
        return None
    return min(values, key=lambda value: summary.score.error(value.mean))
