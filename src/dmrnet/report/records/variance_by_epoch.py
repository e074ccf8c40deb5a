"""The variance of every combination, epoch by epoch, as runs keep it in ``variance.jsonl``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.mining import VARIANCE
from dmrnet.report.records.rows import integer, number, read_records, text

VarianceByEpoch = Mapping[str, Mapping[int, float]]
"""``{combination: {epoch counted from 1: mean variance}}``."""


def read_variance_by_epoch(folders: Iterable[Path], modalities: Sequence[str]) -> VarianceByEpoch:
    """Read the variance of each combination and epoch, averaged over runs.

    Args:
        folders: Folders of runs of one system; those without a variance are skipped.
        modalities: Names of the modalities, in order.
    """
    values: dict[str, dict[int, list[float]]] = {}
    for folder in folders:
        path = folder / VARIANCE
        if not path.is_file():
            continue
        for where, record in read_records(path):
            value = number(record, "mean_variance", where)
            if value is not None:
                name = canonical(text(record, "combination", where), modalities)
                epoch = integer(record, "epoch", where) + 1
                values.setdefault(name, {}).setdefault(epoch, []).append(value)
    return {
        name: {epoch: fmean(of_runs) for epoch, of_runs in sorted(of.items())}
        for name, of in values.items()
    }
