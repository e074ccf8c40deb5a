"""Mining statistics of a run: variance and loss of each combination, and the hard set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmrnet.report.records.rows import RowError, integer, number, read_records, text

VARIANCE = "variance.jsonl"


@dataclass(frozen=True, slots=True)
class MiningRecord:
    """Statistics of one combination in one epoch.

    Attributes:
        combination: Modalities joined by ``+``.
        mean_variance: Mean σ² (Eq. 10); None for a method without a distribution.
        mean_loss: Mean task loss; None if it is undefined.
        hard: Whether the combination was in the hard set.
    """

    combination: str
    mean_variance: float | None
    mean_loss: float | None
    hard: bool


def read_kept_epoch(path: Path, kept: object) -> tuple[int | None, tuple[MiningRecord, ...]]:
    """Read the statistics of the epoch whose weights were kept.

    Args:
        path: The run's ``variance.jsonl``; it may be missing.
        kept: That epoch, counted from 0; if it is no epoch of the file, the last one is read.

    Returns:
        The epoch, counted from 1, and its statistics; None and nothing without statistics.

    Raises:
        RowError: If a line is wrong.
    """
    if not path.is_file():
        return None, ()
    by_epoch: dict[int, dict[str, MiningRecord]] = {}
    for where, record in read_records(path):
        hard = record.get("hard")
        if not isinstance(hard, bool):
            raise RowError(f"{where}: expected 'hard' to be true or false, got {hard!r}")
        item = MiningRecord(
            combination=text(record, "combination", where),
            mean_variance=number(record, "mean_variance", where),
            mean_loss=number(record, "mean_loss", where),
            hard=hard,
        )
        by_epoch.setdefault(integer(record, "epoch", where), {})[item.combination] = item
    if not by_epoch:
        return None, ()
    epoch = kept if isinstance(kept, int) and kept in by_epoch else max(by_epoch)
    return epoch + 1, tuple(by_epoch[epoch].values())
