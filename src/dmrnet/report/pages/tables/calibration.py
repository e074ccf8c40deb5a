"""The table of calibration errors."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.pages.tables.table import Cell, Table, score_cell
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.calibration import Calibration

HOW_CALIBRATED = (
    "Expected calibration error in percentage points, lower is better: the gap between the "
    "probability of the predicted class and how often it is right, in 15 bins of each combination, "
    "averaged over combinations; mean ± standard error over seeds. Small samples have some error "
    "by chance. In small print, before calibration on validation samples."
)


def calibration_table(calibrations: Sequence[Calibration]) -> Table:
    """One row per system: its error over all combinations, then by number of modalities seen."""
    sizes = sorted({size for one in calibrations for _, size in one.errors if size})
    header = ["System", "All combinations", *(f"{size} seen" for size in sizes)]
    rows = [(Cell(one.label), *(_cell(one, size) for size in (0, *sizes))) for one in calibrations]
    return Table(tuple(header), tuple(rows))


def _cell(one: Calibration, size: int) -> Cell:
    before, after = (one.errors.get((stage, size)) for stage in ("before", "after"))
    if before is None or after is None:
        return score_cell(before, None)
    return score_cell(after, None, below=f"before {fmt.percent(before.mean)}")
