"""Tables of each modality's worth, and of the scores to expect when modalities fail."""

from __future__ import annotations

from dmrnet.report.figures.worth import worth_figures
from dmrnet.report.pages.tables.table import Block, Cell, Table, best_of, score_cell
from dmrnet.report.records.metrics import CONSTANT_NAMES
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.worth import FAILURES, without_any, worth_of

SHOWN = (0.1, 0.3, 0.5)
"""Probabilities of failure in the table."""


def worth_block(summary: DataSummary, anchor: str) -> Block:
    """One row per system: Shapley values, then scores to expect when modalities fail."""
    worth = worth_of(summary)
    places = [FAILURES.index(fails) for fails in SHOWN]
    best = [best_of(summary, [one.expected[place] for one in worth]) for place in places]
    rows = [
        (
            Cell(one.label),
            *(score_cell(one.values[n], None, summary.score.digits) for n in summary.modalities),
            *(score_cell(one.expected[p], b) for p, b in zip(places, best, strict=True)),
        )
        for one in worth
    ]
    fails = (f"{100 * fails:g}% fail" for fails in SHOWN)
    return Block(
        "What each modality is worth",
        Table(("System", *summary.modalities, *fails), tuple(rows)),
        _reading(summary),
        tuple(worth_figures(summary, worth, anchor)),
        kind="worth-table",
    )


def _reading(summary: DataSummary) -> str:
    score, nothing = summary.score, without_any(summary) or 0.0
    whole = "its score with all of them"
    if score.lower_is_better:
        of = f", of {CONSTANT_NAMES[score.name]} alone," if score.name in CONSTANT_NAMES else ""
        whole = (
            f"what its {score.label} with all of them is below {100 * nothing:.4g}{score.sign}{of} "
            "so that positive is error taken off"
        )
    return (
        f"Columns of modalities: Shapley values in {score.points}, the mean gain over all orders "
        f"of adding modalities; a system's values add up to {whole}. Last columns: score to expect "
        "if each modality fails with this probability, independently of the others and of the "
        "sample."
    )
