"""Calibration of systems: counts for reliability diagrams, and the expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import members
from dmrnet.report.records.predictions import MEND, PREDICTIONS, load_arrays
from dmrnet.report.records.rows import RowError
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import DataSummary

Counts = NDArray[np.float64]

STAGES = ("before", "after")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of the confidence of a system's predictions.

    Attributes:
        counts: Counts ``(B, 3)`` by stage, over seeds and combinations: in each bin of confidence
            the number of predictions, the sum of their confidences, the number of right ones.
        errors: Expected calibration error, averaged over combinations, by stage and number of
            modalities seen (0 for all numbers).
    """

    label: str
    counts: Mapping[str, Counts]
    errors: Mapping[tuple[str, int], Estimate]


def calibration_of(summary: DataSummary) -> list[Calibration]:
    """Return the calibration of every system whose runs keep it."""
    if summary.split != "test":
        return []
    runs: dict[str, dict[int, tuple[Sequence[str], Counts]]] = {}
    for line in summary.runs:
        if (record := _read(line.path / PREDICTIONS)) is not None:
            runs.setdefault(line.label, {}).setdefault(line.seed, record)
    return [_gather(item.label, runs[item.label]) for item in summary.systems if item.label in runs]


def _read(path: Path) -> tuple[Sequence[str], Counts] | None:
    """Return the combinations of a run and its counts, ``(S, K, B, 3)``; None if it has none."""
    if not path.is_file():
        return None
    arrays = load_arrays(path, "predictions of `dmrnet evaluate`", MEND)
    if "reliability" not in arrays:
        return None
    names, counts = [str(name) for name in arrays["combination"]], arrays["reliability"]
    if counts.ndim != 4 or counts.shape[1] != len(names) or counts.shape[3] != 3:
        raise RowError(
            f"{path}: expected reliability of shape (stages, {len(names)}, bins, 3), got "
            f"{counts.shape}; {MEND}"
        )
    return names, counts


def _gather(label: str, runs: Mapping[int, tuple[Sequence[str], Counts]]) -> Calibration:
    """Add the counts of a system's seeds, and average its errors."""
    counts: dict[str, Counts] = {}
    errors: dict[tuple[str, int], dict[int, float]] = {}
    for seed, (names, record) in runs.items():
        sizes = np.array([len(members(name)) for name in names])
        for stage, of in zip(STAGES, record, strict=False):
            counts[stage] = counts.get(stage, 0) + of.sum(0)
            number = of[..., 0].sum(1)
            error = np.abs(of[..., 1] - of[..., 2]).sum(1) / np.maximum(number, 1)
            for size in (0, *np.unique(sizes)):
                chosen = (number > 0) & ((sizes == size) | (size == 0))
                if chosen.any():
                    errors.setdefault((stage, int(size)), {})[seed] = float(error[chosen].mean())
    return Calibration(label, counts, {key: Estimate.of(value) for key, value in errors.items()})
