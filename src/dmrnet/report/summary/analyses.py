"""Results of analyses, collected by system and seed from ``analyses.jsonl`` and ``.npz``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dmrnet.report.records.predictions import load_arrays
from dmrnet.report.records.rows import Row, parse_row, read_records, text
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import DataSummary

ROWS = "analyses.jsonl"
ARRAYS = "analyses.npz"

_Key = tuple[str, str]
"""Name and split of an analysis."""


@dataclass(frozen=True, slots=True)
class AnalysisSummary:
    """One analysis of the systems of a summary.

    Attributes:
        name: The analysis as requested, such as ``channel-distance@image+sound``.
        split: Split of its samples.
        values: ``{(label of the system, combination, metric): number of each seed}``.
        arrays: ``{label of the system: {seed: arrays by name}}``.
        samples: Largest number of samples behind a number.
    """

    name: str
    split: str
    values: Mapping[tuple[str, str, str], Estimate]
    arrays: Mapping[str, Mapping[int, Mapping[str, NDArray[Any]]]]
    samples: int

    @property
    def kind(self) -> str:
        """Name of the analysis without its combination."""
        return self.name.partition("@")[0]

    @property
    def at(self) -> str:
        """Combination of the analysis; empty for all modalities."""
        return self.name.partition("@")[2]

    @property
    def labels(self) -> set[str]:
        """Labels of the systems with any value."""
        return {label for label, _, _ in self.values}

    def get(self, label: str, metric: str, combination: str = "") -> Estimate | None:
        """Return a number of a system; None if it has none."""
        return self.values.get((label, combination, metric))

    def combinations(self, metric: str) -> list[str]:
        """Return the combinations with any value of a metric, in the order of the rows."""
        return list(dict.fromkeys(c for _, c, m in self.values if m == metric and c))


def read_analyses(summary: DataSummary) -> list[AnalysisSummary]:
    """Read the analyses of the runs of a summary.

    An analysis is of the reported split if any run has it there, and otherwise of the other split.

    Raises:
        ValueError: If a row or an array cannot be read.
    """
    rows: dict[_Key, dict[tuple[str, str, str], dict[int, Row]]] = {}
    arrays: dict[_Key, dict[str, dict[int, dict[str, NDArray[Any]]]]] = {}
    for run in summary.runs:
        rows_of_run, arrays_of_run = read_run(run.path)
        for analysis, of_analysis in rows_of_run.items():
            for row in of_analysis:
                key = (run.label, row.combination, row.metric)
                rows.setdefault(analysis, {}).setdefault(key, {}).setdefault(row.seed, row)
        for analysis, saved in arrays_of_run.items():
            arrays.setdefault(analysis, {}).setdefault(run.label, {}).setdefault(run.seed, saved)
    return [
        AnalysisSummary(
            name,
            split,
            {
                key: Estimate.of(values)
                for key, of in by_key.items()
                if (values := {s: row.value for s, row in of.items() if row.value is not None})
            },
            arrays.get((name, split), {}),
            max(row.n for of in by_key.values() for row in of.values()),
        )
        for (name, split), by_key in rows.items()
        if split == summary.split or (name, summary.split) not in rows
    ]


def read_run(folder: Path) -> tuple[dict[_Key, list[Row]], dict[_Key, dict[str, NDArray[Any]]]]:
    """Return the rows and the arrays of a run's analyses; both empty without analyses.

    Raises:
        ValueError: If a row or an array cannot be read.
    """
    path = folder / ROWS
    if not path.is_file():
        return {}, {}
    rows: dict[_Key, list[Row]] = {}
    for where, record in read_records(path):
        name = text(record, "analysis", where)
        row = parse_row({k: v for k, v in record.items() if k != "analysis"}, where)
        rows.setdefault((name, row.split), []).append(row)
    return rows, _read_arrays(folder / ARRAYS, set(rows))


def _read_arrays(path: Path, keys: set[_Key]) -> dict[_Key, dict[str, NDArray[Any]]]:
    """Return the arrays of each analysis, their names without ``SPLIT/ANALYSIS/``."""
    if not path.is_file():
        return {}
    saved = load_arrays(
        path,
        "the arrays of analyses",
        "delete it and analyses.jsonl, and run `dmrnet evaluate RUN --analyse` again",
    )
    arrays: dict[_Key, dict[str, NDArray[Any]]] = {}
    for name, split in keys:
        start = f"{split}/{name}/"
        if of := {k.removeprefix(start): v for k, v in saved.items() if k.startswith(start)}:
            arrays[name, split] = of
    return arrays
