"""The table of hard combinations: those that were mined, and those that are truly worst."""

from __future__ import annotations

from collections.abc import Mapping

from dmrnet.report.pages.table import EMPTY, Cell, Table
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.hardness import Hardness, by_chance
from dmrnet.report.summary.summary import DataSummary


def hardness_table(summary: DataSummary, *, measured: bool = True) -> Table:
    """One row a system with a hard set or a variance.

    Args:
        summary: The summary.
        measured: Whether to add agreement on validation and rank correlations; not needed if an
            analysis has them in a table of its own.
    """
    rows: list[tuple[Cell, ...]] = []
    for item in summary.systems:
        hardness = item.hardness
        if hardness is None or not (hardness.hard or hardness.variance):
            continue
        agreement = item.run_metrics.get("hard_agreement")
        rows.append(
            (
                Cell(item.label),
                Cell(_mined(hardness.hard, hardness.seeds) or "none"),
                Cell(", ".join(hardness.worst) or fmt.NOTHING),
                _overlap(hardness),
                Cell(f"{fmt.estimate(agreement, 0)}%") if agreement else EMPTY,
                Cell(_rank(hardness.variance_rank)),
                Cell(_rank(hardness.loss_rank)),
            )
        )
    header: tuple[str, ...] = (
        "System",
        "Mined as hard",
        f"Truly worst ({summary.split})",
        "In both",
        "Agreement (validation)",
        "ρ(variance, error)",
        "ρ(loss, error)",
    )
    if not measured:
        header, rows = header[:4], [row[:4] for row in rows]
    return Table(header, tuple(rows), names=3)


def _mined(hard: Mapping[str, int], seeds: int) -> str:
    """List the mined combinations, with the number of seeds if it is not all."""
    return ", ".join(
        name if count == seeds else f"{name} ({count} of {seeds} seeds)"
        for name, count in sorted(hard.items(), key=lambda pair: -pair[1])
    )


def _overlap(hardness: Hardness) -> Cell:
    """Write how many combinations are both, and how many would be by chance."""
    mined, worst = len(hardness.mined), len(hardness.worst)
    if not mined:
        return EMPTY
    expected, p = by_chance(mined, worst, hardness.combinations, hardness.agreement)
    below = f"chance {expected:.1f}; p {fmt.probability(p)}"
    return Cell(f"{hardness.agreement} of {mined}", below)


def _rank(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:+.2f}".replace("-", fmt.MINUS)
