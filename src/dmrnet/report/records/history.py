"""Figures of each epoch of a run, from its ``metrics.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from dmrnet.report.records.rows import RowError

History = Mapping[str, Mapping[int, float]]
"""``{metric: {epoch counted from 1: value}}``, finite values only."""


def read_history(run: Path) -> History:
    """Read the figures of a run folder; none without its file.

    Raises:
        RowError: If a line is wrong.
    """
    path = run / "metrics.csv"
    if not path.is_file():
        return {}
    history: dict[str, dict[int, float]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for line, row in enumerate(csv.DictReader(stream), 2):
            try:
                value = float(row["value"])
                epoch = int(row["epoch"]) + 1
                metric = row["metric"]
            except (KeyError, TypeError, ValueError) as error:
                raise RowError(
                    f"{path}, line {line}: expected epoch, metric and value, got {dict(row)}; "
                    "delete the file to report without training curves"
                ) from error
            if math.isfinite(value):
                history.setdefault(metric, {})[epoch] = value
    return history
