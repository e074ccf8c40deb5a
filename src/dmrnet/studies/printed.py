"""Printed values of the paper's tables as published rows, one shipped file per table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from dmrnet.hints import nearest
from dmrnet.report.records.published import PublishedRow, parse_published
from dmrnet.report.records.rows import read_records
from dmrnet.report.summary.parts import SEPARATOR
from dmrnet.studies.resources import shipped_folder


def printed_tables() -> dict[str, Path]:
    """Return the shipped tables by name."""
    folder = shipped_folder("printed")
    return {path.stem: path for path in sorted(folder.glob("*.jsonl"))}


def find_printed(name: str, study: Path | None = None) -> Path:
    """Return the file of a shipped table, or of a path relative to the study's file.

    Raises:
        FileNotFoundError: If there is neither.
    """
    known = printed_tables()
    path = (study.parent if study else Path()) / name
    if name in known:
        return known[name]
    if path.is_file():
        return path
    raise FileNotFoundError(f"there are no printed rows {name!r}; {nearest(name, known)}")


def read_printed(path: Path) -> list[PublishedRow]:
    """Read published rows.

    Raises:
        ValueError: If a line is not a published row.
    """
    return [parse_published(record, where) for where, record in read_records(path)]


def base_name(dataset: str) -> str:
    """Return the data set of a row's label, without its settings.

    >>> base_name("crema-d (spectrogram=released)")
    'crema-d'
    """
    return dataset.partition(" ")[0]


def for_report(paths: Iterable[Path], datasets: Sequence[str]) -> str:
    """Return files of printed rows as JSON lines, once for each measured data set of that name.

    Parts of a score, such as Dice of one region, are left out: no published system has the score.
    """
    lines: dict[str, None] = {}
    for path in paths:
        for _, record in read_records(path):
            if SEPARATOR in str(record["metric"]):
                continue
            named = [name for name in datasets if base_name(name) == record["dataset"]]
            for name in named or [str(record["dataset"])]:
                lines[json.dumps({**record, "dataset": name})] = None
    return "".join(f"{line}\n" for line in lines)
