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
    """Return a score in percent; it is best if it reads like the best one."""
    if value is None:
        return EMPTY
    is_best = best is not None and fmt.percent(value.mean, digits) == fmt.percent(best.mean, digits)
    return Cell(fmt.estimate(value, digits), best=is_best, hint=fmt.by_seed(value))


def best_of(summary: DataSummary, scores: Sequence[Estimate | None]) -> Estimate | None:
    """Return the best of two or more scores, if chance does not explain what it is ahead by.

    Returns:
        The best; None with fewer scores, as there is no choice, and where the 95% interval of its
        difference to the next one, paired by seed, holds 0 or is not known. Printed numbers have no
        seeds and are taken as they are.
    """
    values = [value for value in scores if value is not None]
    if len(values) < 2:
        return None
    best, second, *_ = sorted(values, key=lambda value: summary.score.error(value.mean))
    if not best.seeds or not second.seeds:
        return best
    difference = paired_difference(best, second)
    ends = None if difference is None else interval(difference)
    return best if ends is not None and ends[0] * ends[1] > 0 else None
