"""Mining statistics of a run: variance and loss of each combination, and the hard set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.rows import RowError, integer, number, read_records, text

VARIANCE = "variance.jsonl"

VarianceByEpoch = Mapping[str, Mapping[int, float]]
"""``{combination: {epoch counted from 1: mean variance}}``."""


@dataclass(frozen=True, slots=True)
class MiningRecord:
    """Statistics of one combination in one epoch.

    They are the mean σ² (Eq. 10), None for a method without a distribution; the mean task loss,
    None if it is undefined; and whether the combination was in the hard set.
    """

    combination: str
    mean_variance: float | None
    mean_loss: float | None
    hard: bool


def read_kept_epoch(path: Path, kept: object) -> tuple[int | None, tuple[MiningRecord, ...]]:
    """Read the statistics of the epoch whose weights were kept from a ``variance.jsonl``.

    The kept epoch is counted from 0; if it is no epoch of the file, the last one is read.

    Returns:
        The epoch, counted from 1, and its statistics; None and nothing without a file or lines.

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
            text(record, "combination", where),
            number(record, "mean_variance", where),
            number(record, "mean_loss", where),
            hard,
        )
        by_epoch.setdefault(integer(record, "epoch", where), {})[item.combination] = item
    if not by_epoch:
        return None, ()
    epoch = kept if isinstance(kept, int) and kept in by_epoch else max(by_epoch)
    return epoch + 1, tuple(by_epoch[epoch].values())


def read_variance_by_epoch(folders: Iterable[Path], modalities: Sequence[str]) -> VarianceByEpoch:
    """Read the variance of each combination and epoch, averaged over the runs of one system.

    Runs without a variance are skipped; combinations are named in the order of the modalities.
    """
    values: dict[str, dict[int, list[float]]] = {}
    for folder in folders:
        path = folder / VARIANCE
        for where, record in read_records(path) if path.is_file() else ():
            value = number(record, "mean_variance", where)
            if value is not None:
                name = canonical(text(record, "combination", where), modalities)
                epoch = integer(record, "epoch", where) + 1
                values.setdefault(name, {}).setdefault(epoch, []).append(value)
    return {
        name: {epoch: fmean(of_runs) for epoch, of_runs in sorted(of.items())}
        for name, of in values.items()
    }
