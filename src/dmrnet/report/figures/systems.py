"""Which systems a figure shows, with their marks, and a sentence on those left out."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.figures.marks import MOST_SYSTEMS, Mark, marks
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary


def best_systems(summary: DataSummary) -> tuple[tuple[SystemSummary, ...], list[Mark]]:
    """Return every system with its mark; of too many, the baseline and the best by average."""
    drawn = {item.label for item in summary.systems if item.label == summary.baseline}
    ranked = sorted(
        (item for item in summary.systems if item.label not in drawn),
        key=lambda item: (
            summary.score.error(item.headlines["average"].mean)
            if "average" in item.headlines and item.scores
            else 2.0
        ),
    )
    drawn |= {item.label for item in ranked[: MOST_SYSTEMS - len(drawn)]}
    systems = tuple(item for item in summary.systems if item.label in drawn)
    labels = [item.label for item in systems]
    return systems, marks(labels, with_baseline=summary.baseline is not None)


def worse_left_out(summary: DataSummary) -> str:
    """Return a sentence on the systems that `best_systems` leaves out; empty if there are none."""
    more = len(summary.systems) - MOST_SYSTEMS
    if more <= 0:
        return ""
    which = f"the {MOST_SYSTEMS} systems"
    if summary.baseline is not None:
        which = f"{summary.baseline} and the {MOST_SYSTEMS - 1} systems"
    return f" Shown are {which} with the best average; {more} more are in the tables."


def analysed_systems(
    analysed: AnalysisSummary, labels: Sequence[str], *, with_baseline: bool
) -> tuple[list[str], list[Mark]]:
    """Return the systems that have an analysis, with the marks that they have in every figure.

    Args:
        analysed: The analysis.
        labels: Labels of all systems, the baseline first.
        with_baseline: Whether the first system is a baseline.
    """
    shown = labels[:MOST_SYSTEMS]
    every = dict(zip(shown, marks(shown, with_baseline=with_baseline), strict=True))
    known = _labels(analysed)
    systems = [label for label in shown if label in known]
    return systems, [every[label] for label in systems]


def analysed_left_out(analysed: AnalysisSummary, labels: Sequence[str]) -> str:
    """Return a sentence on the systems that `analysed_systems` leaves out; empty if none are."""
    known = _labels(analysed)
    more = sum(label in known for label in labels[MOST_SYSTEMS:])
    verb = "is" if more == 1 else "are"
    return f" {more} more {verb} only in the table; colours tell {MOST_SYSTEMS} apart." * bool(more)


def _labels(analysed: AnalysisSummary) -> set[str]:
    return {label for label, _, _ in analysed.values}
