"""The figures of a summary's scores: by number of modalities, by combination, by variance."""

from __future__ import annotations

from dmrnet.report.figures.by_combination import by_combination
from dmrnet.report.figures.by_number import by_number
from dmrnet.report.figures.by_variance import variance_figures
from dmrnet.report.figures.figure import Figure
from dmrnet.report.summary.summary import DataSummary


def draw_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw the figures of a summary; none if it has no value.

    Args:
        summary: The summary.
        prefix: Start of the figures' names: letters, digits and hyphens.
    """
    figures = []
    if summary.combinations:
        if len(summary.modalities) > 2:
            figures.append(by_number(summary, f"{prefix}-number"))
        figures.append(by_combination(summary, f"{prefix}-combinations"))
    return figures + variance_figures(summary, f"{prefix}-variance")
