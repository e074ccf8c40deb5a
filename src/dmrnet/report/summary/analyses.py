"""What runs' analyses say, gathered by system and seed from ``analyses.jsonl`` and ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.rows import Row, RowError, parse_row, read_records, text
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import DataSummary

ROWS = "analyses.jsonl"
ARRAYS = "analyses.npz"


@dataclass(frozen=True, slots=True)
class AnalysisSummary:
    """One analysis of the systems of a summary.

    Attributes:
        name: As it was asked for, such as ``channel-distance@image+sound``.
        split: Of whose samples.
        values: ``{(label of the system, combination, metric): number of each seed}``.
        arrays: ``{label: {seed: arrays by name}}``.
        samples: The most samples that a number stands on.
    """

    name: str
    split: str
    values: Mapping[tuple[str, str, str], Estimate]
    arrays: Mapping[str, Mapping[int, Mapping[str, NDArray[Any]]]]
    samples: int

    @property
    def kind(self) -> str:
        """The analysis without the combination that it is taken at."""
        return self.name.partition("@")[0]

    @property
    def at(self) -> str:
        """The combination that it is taken at; empty for all modalities."""
        return self.name.partition("@")[2]

    def get(self, label: str, metric: str, combination: str = "") -> Estimate | None:
        """Return a number of a system, None where it has none."""
        return self.values.get((label, combination, metric))

    def combinations(self, metric: str) -> list[str]:
        """Return the combinations that have a metric somewhere, in the order of the rows."""
        return list(dict.fromkeys(c for _, c, m in self.values if m == metric and c))


def read_analyses(summary: DataSummary) -> list[AnalysisSummary]:
    """Read what the runs of a summary were analysed for.

    An analysis that some runs have of the reported split is shown of that split; one that all have
    of the other split only, of that one.

    Raises:
        ValueError: If a row or an array cannot be read.
    """
    found: dict[tuple[str, str], dict[tuple[str, str, str], dict[int, Row]]] = {}
    arrays: dict[tuple[str, str], dict[str, dict[int, dict[str, NDArray[Any]]]]] = {}
    for run in summary.runs:
        rows_of, arrays_of = read_run(run.path)
        for (name, split), rows in rows_of.items():
            for row in rows:
                key = (run.label, row.combination, row.metric)
                found.setdefault((name, split), {}).setdefault(key, {}).setdefault(row.seed, row)
        for (name, split), kept in arrays_of.items():
            by_seed = arrays.setdefault((name, split), {}).setdefault(run.label, {})
            by_seed.setdefault(run.seed, kept)
    return [
        AnalysisSummary(
            name,
            split,
            {key: Estimate.of(known) for key, rows in of.items() if (known := _known(rows))},
            arrays.get((name, split), {}),
            max(row.n for rows in of.values() for row in rows.values()),
        )
        for (name, split), of in found.items()
        if split == summary.split or (name, summary.split) not in found
    ]


def read_run(
    folder: Path,
) -> tuple[dict[tuple[str, str], list[Row]], dict[tuple[str, str], dict[str, NDArray[Any]]]]:
    """Return the rows and the arrays of a run's analyses, by name and split; none without any.

    Raises:
        ValueError: If a row or an array cannot be read.
    """
    path = folder / ROWS
    if not path.is_file():
        return {}, {}
    rows: dict[tuple[str, str], list[Row]] = {}
    for where, record in read_records(path):
        name = text(record, "analysis", where)
        row = parse_row({k: v for k, v in record.items() if k != "analysis"}, where)
        rows.setdefault((name, row.split), []).append(row)
    return rows, _arrays(folder / ARRAYS, set(rows))


def _known(rows: Mapping[int, Row]) -> dict[int, float]:
    return {seed: row.value for seed, row in rows.items() if row.value is not None}


def _arrays(
    path: Path, named: set[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, NDArray[Any]]]:
    """Return the arrays of each analysis and split, without their ``SPLIT/ANALYSIS/``.

    Raises:
        ValueError: If the file is damaged.
    """
    if not path.is_file():
        return {}
    found: dict[tuple[str, str], dict[str, NDArray[Any]]] = {}
    try:
        with np.load(path) as saved:
            for name, split in named:
                start = f"{split}/{name}/"
                of = {k.removeprefix(start): saved[k] for k in saved.files if k.startswith(start)}
                if of:
                    found[name, split] = of
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise RowError(
            f"{path}: expected the arrays of analyses, came something else ({error}); "
            "delete it and analyses.jsonl, and run `dmrnet evaluate RUN --analyse` again."
        ) from error
    return found
