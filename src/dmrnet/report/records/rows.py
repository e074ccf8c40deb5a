"""Result rows: the form in which a training and its evaluation reach a report.

A row is one JSON object on one line. A row of another form is an error that names file and line: a
table made from part of a file would look like a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from dmrnet.report.records.metrics import CLASS_METRICS
from dmrnet.storage import read_json_lines
from dmrnet.text import is_plain

SPLITS = ("val", "test")
_TARGETS = ("map", "f1_macro", "f1_micro")
_SCORES = (
    "accuracy",
    "acer",
    "apcer",
    "bpcer",
    "miou",
    "dice",
    *CLASS_METRICS,
    *_TARGETS,
    "majority",
)
RATES = frozenset({*_SCORES, *(f"{name}_complete" for name in _SCORES), "hard_agreement"})
"""Metrics that are fractions between 0 and 1."""

# These need a combination; every other metric may also describe the whole run.
_OF_COMBINATIONS = RATES - {"hard_agreement"}

# Times differ between two otherwise identical runs.
_MAY_DIFFER = frozenset({"train_seconds", "train_cpu_seconds"})


class RowError(ValueError):
    """A row of another form than expected."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number.

    Attributes:
        run: Name of the run's folder.
        method: Name of the method, such as ``dmrnet``.
        recipe: Name of the recipe, such as ``best``.
        settings: Settings that differ from the recipe.
        dataset: Name of the data set.
        split: ``val`` or ``test``.
        seed: Seed of the training.
        combination: Modalities joined by ``+``; empty for a number of the whole run.
        metric: Name of the metric.
        value: The number, a fraction for rates; None if it is undefined.
        n: Number of samples scored.
    """

    run: str
    method: str
    recipe: str
    settings: Mapping[str, object] = field(hash=False)
    dataset: str
    split: str
    seed: int
    combination: str
    metric: str
    value: float | None
    n: int


_KEYS = tuple(item.name for item in fields(Row))


def read_records(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Read the JSON objects of a ``.jsonl`` file, skipping empty lines.

    Yields:
        ``(where, record)``; ``where`` is ``file:line``, for messages.

    Raises:
        RowError: If a line is not one JSON object.
    """
    try:
        yield from read_json_lines(path)
    except ValueError as error:
        raise RowError(str(error)) from error


def text(record: Mapping[str, object], key: str, where: str, *, empty: bool = False) -> str:
    """Return ``record[key]``; raise `RowError` unless printable text, not empty by default."""
    value = record.get(key)
    if not isinstance(value, str) or (not value and not empty) or not is_plain(value):
        raise RowError(f"{where}: expected {key!r} to be printable text, got {value!r}")
    return value


def integer(record: Mapping[str, object], key: str, where: str, *, least: int | None = None) -> int:
    """Return ``record[key]``; raise `RowError` unless it is an integer not below `least`."""
    value = record.get(key)
    if type(value) is not int or (least is not None and value < least):
        bound = "" if least is None else f" not below {least}"
        raise RowError(f"{where}: expected {key!r} to be an integer{bound}, got {value!r}")
    return value


def number(record: Mapping[str, object], key: str, where: str) -> float | None:
    """Return ``record[key]``; raise `RowError` unless it is null (None) or a finite number."""
    value = record.get(key, math.nan)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # An integer beyond the largest float.
        pass
    raise RowError(
        f"{where}: expected {key!r} to be a finite number, or null if undefined, got {value!r}"
    )


def mapping(record: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    """Return ``record[key]`` as a JSON object; raise `RowError` if it is something else."""
    value = record[key]
    if not isinstance(value, dict):
        raise RowError(f"{where}: expected {key!r} to be an object, got {value!r}")
    return value


def parse_row(record: Mapping[str, object], where: str = "row") -> Row:
    """Make a row of one JSON object; `where` names it in messages: ``runs/a/results.jsonl:3``.

    Raises:
        RowError: If a key is missing, unknown or of the wrong type, or a rate is not a fraction.
    """
    check_keys(record, _KEYS, where)
    names = ("run", "method", "recipe", "dataset", "split", "metric")
    row = Row(
        **{key: text(record, key, where) for key in names},
        settings=mapping(record, "settings", where),
        seed=integer(record, "seed", where),
        combination=text(record, "combination", where, empty=True),
        value=number(record, "value", where),
        n=integer(record, "n", where, least=0),
    )
    check_values(row.split, row.combination, row.metric, row.value, where)
    if not row.combination and row.metric in _OF_COMBINATIONS:
        raise RowError(f"{where}: expected {row.metric} with a combination, got none")
    return row


def check_keys(
    record: Mapping[str, object], required: Sequence[str], where: str, optional: Sequence[str] = ()
) -> None:
    """Raise `RowError` unless a record has all required keys and no unknown ones."""
    if record.keys() == set(required):
        return
    missing = [key for key in required if key not in record]
    unknown = [key for key in record if key not in (*required, *optional)]
    if missing or unknown:
        problems = [f"without {', '.join(missing)}"] if missing else []
        problems += [f"with unknown {', '.join(map(repr, unknown))}"] if unknown else []
        extra = f" and optionally {', '.join(optional)}" if optional else ""
        raise RowError(
            f"{where}: expected the keys {', '.join(required)}{extra}; got a row "
            f"{' and '.join(problems)}"
        )


def check_values(
    split: str, combination: str, metric: str, value: float | None, where: str
) -> None:
    """Check the values that measured and published rows share.

    Raises:
        RowError: If the split is neither ``val`` nor ``test``, a rate is not a fraction, or the
            combination repeats a modality or has an empty name between two ``+``.
    """
    if split not in SPLITS:
        raise RowError(f"{where}: expected 'split' to be 'val' or 'test', got {split!r}")
    if metric in RATES and value is not None and not 0 <= value <= 1:
        raise RowError(
            f"{where}: expected {metric} as a fraction between 0 and 1, got {value:g}; "
            "divide percentages by 100"
        )
    modalities = combination.split("+")
    if combination and (not all(modalities) or len(set(modalities)) < len(modalities)):
        raise RowError(
            f"{where}: expected 'combination' to be different modalities joined by '+', "
            f"got {combination!r}"
        )


def read_rows(path: Path) -> list[Row]:
    """Read and check every row of a ``.jsonl`` file.

    Raises:
        RowError: If a row is wrong.
        FileNotFoundError: If there is no such file.
    """
    return [parse_row(record, where) for where, record in read_records(path)]


def unique(rows: Iterable[tuple[object, Row]]) -> list[Row]:
    """Drop repeated rows, so that nothing is counted twice; the first row of each key is kept.

    A row's key holds its system, data set, split, seed, combination and metric.

    Raises:
        ValueError: If two rows of one key have different values.
    """
    kept: dict[object, Row] = {}
    for key, row in rows:
        first = kept.setdefault(key, row)
        if row.metric in _MAY_DIFFER or (first.value == row.value and first.n == row.n):
            continue
        raise ValueError(
            f"rows of the runs {first.run!r} and {row.run!r} disagree: {row.method}, seed "
            f"{row.seed}, {row.dataset} {row.split}, {row.metric} of "
            f"{row.combination or 'the run'} is {first.value} (n={first.n}) and {row.value} "
            f"(n={row.n}); leave one of the two runs out"
        )
    return list(kept.values())
