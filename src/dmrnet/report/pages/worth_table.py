"""The table of what each modality is worth, and of scores to expect when modalities fail."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.pages.table import Cell, Table, best_of, score_cell
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.worth import FAILURES, Worth

SHOWN = (0.1, 0.3, 0.5)
"""Probabilities of failure in the table."""

HOW_WORTH = (
    "Columns of modalities: Shapley values in percentage points, the mean gain over all orders of "
    "adding modalities; a system's values add up to its score with all of them (where lower is "
    "better, to what it takes off 50%). Last columns: score to expect if each modality fails with "
    "this probability, independently of the others and of the sample."
)


def worth_table(worth: Sequence[Worth], summary: DataSummary) -> Table:
    """One row a system: Shapley values, then scores to expect when modalities fail."""
    places = [FAILURES.index(fails) for fails in SHOWN]
    best = [best_of(summary, [one.expected[place] for one in worth]) for place in places]
    rows = [
        (
            Cell(one.label),
            *(
                Cell(fmt.estimate(value, 1), hint=fmt.by_seed(value))
                for value in (one.values[name] for name in summary.modalities)
            ),
            *(score_cell(one.expected[p], b) for p, b in zip(places, best, strict=True)),
        )
        for one in worth
    ]
    fails = (f"{100 * fails:g}% fail" for fails in SHOWN)
    return Table(("System", *summary.modalities, *fails), tuple(rows))
