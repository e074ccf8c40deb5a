"""The table of calibration errors, with the reliability diagram."""

from __future__ import annotations

from dmrnet.report.figures.reliability import reliability_figures
from dmrnet.report.pages.tables.table import Block, Cell, Table, score_cell
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.calibration import Calibration, calibration_of
from dmrnet.report.summary.summary import DataSummary


def calibration_block(summary: DataSummary, anchor: str) -> Block:
    """One row per system: its error over all combinations, then by number of modalities seen."""
    known = calibration_of(summary)
    sizes = sorted({size for one in known for _, size in one.errors if size})
    header = ("System", "All combinations", *(f"{size} seen" for size in sizes))
    rows = [(Cell(one.label), *(_cell(one, size) for size in (0, *sizes))) for one in known]
    return Block(
        "Can probabilities be believed?",
        Table(header, tuple(rows)),
        "Expected calibration error in percentage points, lower is better: the gap between the "
        "probability of the predicted class and how often it is right, in 15 bins of each "
        "combination, averaged over combinations; mean ± standard error over seeds. Small samples "
        "have some error by chance. In small print, before calibration on validation samples.",
        tuple(reliability_figures(summary, known, anchor)),
        kind="calibration",
        caption="Calibration error of every system",
        better="low",
    )


def _cell(one: Calibration, size: int) -> Cell:
    before, after = (one.errors.get((stage, size)) for stage in ("before", "after"))
    if before is None or after is None:
        return score_cell(before, None)
    return score_cell(after, None, below=f"before {fmt.percent(before.mean)}")
