"""What the paper's tables print, as published rows: shipped with the package, a file a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from dmrnet.hints import nearest
from dmrnet.report.records.published import PublishedRow, parse_published
from dmrnet.report.records.rows import read_records


def printed_tables() -> dict[str, Path]:
    """Return the shipped tables: name and file."""
    folder = Path(str(files("dmrnet.studies").joinpath("printed")))
    return {path.stem: path for path in sorted(folder.glob("*.jsonl"))}


def find_printed(name: str, beside: Path | None = None) -> Path:
    """Return the file of printed rows that a study names.

    Args:
        name: Of a shipped table, or a path, seen from the study's file.
        beside: The study's file.

    Raises:
        FileNotFoundError: If there is none.
    """
    known = printed_tables()
    path = (beside.parent if beside else Path()) / name
    if name in known:
        return known[name]
    if path.is_file():
        return path
    raise FileNotFoundError(f"there are no printed rows {name!r}; {nearest(name, known)}")


def read_printed(path: Path) -> list[PublishedRow]:
    """Read published rows.

    Raises:
        ValueError: If a line is none.
    """
    return [parse_published(record, where) for where, record in read_records(path)]


def base_name(dataset: str) -> str:
    """Return the data set of a label of rows, without its settings.

    >>> base_name("crema-d (spectrogram=released)")
    'crema-d'
    """
    return dataset.partition(" ")[0]


def for_report(paths: Iterable[Path], datasets: Sequence[str]) -> str:
    """Return printed rows as lines, under the names that the measured data have in the report.

    Args:
        paths: Files of printed rows.
        datasets: Names of the measured data, settings behind them.
    """
    lines: dict[str, None] = {}
    for path in paths:
        for _, record in read_records(path):
            named = [name for name in datasets if base_name(name) == record["dataset"]]
            for name in named or [str(record["dataset"])]:
                lines[json.dumps({**record, "dataset": name})] = None
    return "".join(f"{line}\n" for line in lines)
