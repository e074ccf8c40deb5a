"""Result rows: the one form in which a training and its evaluation reach a report.

A row is one JSON object on one line. A row that does not keep the form is an error that names the
file, the line and what was expected: a table made from half of a file would look like a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from dmrnet.storage import read_json_lines

SPLITS = ("val", "test")
_SCORES = ("accuracy", "acer", "apcer", "bpcer", "miou")
RATES = frozenset({*_SCORES, *(f"{name}_complete" for name in _SCORES), "hard_agreement"})
"""Metrics that are fractions between 0 and 1."""

# Scores of a combination; every other metric may also be a number of the run as a whole.
_OF_COMBINATIONS = RATES - {"hard_agreement"}

# Time differs between two runs that are otherwise one and the same.
_MAY_DIFFER = frozenset({"train_seconds", "train_cpu_seconds"})


class RowError(ValueError):
    """A row that does not keep the schema."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number.

    Attributes:
        run: Name of the run's folder.
        method: Name of the method, such as ``dmrnet``.
        recipe: Name of the recipe, such as ``best``.
        settings: What was set away from the recipe.
        dataset: Name of the data set.
        split: ``val`` or ``test``.
        seed: Seed of the training.
        combination: Modalities joined by ``+``; empty for a number of the whole run.
        metric: Name of the metric.
        value: The number; rates are fractions; None where it is undefined.
        n: Samples scored.
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
    """Read the JSON objects of a ``.jsonl`` file; empty lines are skipped.

    Yields:
        ``(where, record)``, where ``where`` is ``file:line`` for messages.

    Raises:
        RowError: If a line is not one JSON object.
    """
    try:
        yield from read_json_lines(path)
    except ValueError as error:
        raise RowError(str(error)) from error


def text(record: Mapping[str, object], key: str, where: str, *, empty: bool = False) -> str:
    """Return ``record[key]`` as printable text.

    Raises:
        RowError: If it is missing, not a string, empty (unless ``empty``) or not printable.
    """
    value = record.get(key)
    if not isinstance(value, str) or (not value and not empty) or not value.isprintable():
        raise RowError(f"{where}: expected {key!r} to be printable text, came {value!r}.")
    return value


def integer(record: Mapping[str, object], key: str, where: str, *, least: int | None = None) -> int:
    """Return ``record[key]`` as an integer not below ``least``.

    Raises:
        RowError: If it is missing, not an integer, or too small.
    """
    value = record.get(key)
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or (least is not None and value < least)
    ):
        bound = "" if least is None else f" not below {least}"
        raise RowError(f"{where}: expected {key!r} to be an integer{bound}, came {value!r}.")
    return value


def number(record: Mapping[str, object], key: str, where: str) -> float | None:
    """Return ``record[key]`` as a finite number, or None where it is null.

    Raises:
        RowError: If it is missing, not a number, NaN or infinite.
    """
    value = record.get(key, "nothing")
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        result = float(value)
    except (TypeError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise RowError(
            f"{where}: expected {key!r} to be a finite number, or null where it is undefined, "
            f"came {value!r}."
        )
    return result


def parse_row(record: Mapping[str, object], where: str = "row") -> Row:
    """Check one JSON object against the schema.

    Args:
        record: The object.
        where: What to call it in messages, such as ``runs/a/results.jsonl:3``.

    Raises:
        RowError: If a key is missing, unknown or of the wrong kind, or a rate is not a fraction.

    Example:
        >>> parse_row(
        ...     {
        ...         "run": "a",
        ...         "method": "dmr",
        ...         "recipe": "best",
        ...         "settings": {},
        ...         "dataset": "mfeat",
        ...         "split": "test",
        ...         "seed": 0,
        ...         "combination": "fou+pix",
        ...         "metric": "accuracy",
        ...         "value": 0.9,
        ...         "n": 400,
        ...     }
        ... ).value
        0.9
    """
    missing = [key for key in _KEYS if key not in record]
    unknown = [key for key in record if key not in _KEYS]
    if missing or unknown:
        told = [f"without {', '.join(missing)}"] if missing else []
        told += [f"with unknown {', '.join(map(repr, unknown))}"] if unknown else []
        raise RowError(
            f"{where}: expected the keys {', '.join(_KEYS)}; came a row {' and '.join(told)}."
        )
    settings = record["settings"]
    if not isinstance(settings, dict):
        raise RowError(f"{where}: expected 'settings' to be an object, came {settings!r}.")
    row = Row(
        run=text(record, "run", where),
        method=text(record, "method", where),
        recipe=text(record, "recipe", where),
        settings=settings,
        dataset=text(record, "dataset", where),
        split=text(record, "split", where),
        seed=integer(record, "seed", where),
        combination=text(record, "combination", where, empty=True),
        metric=text(record, "metric", where),
        value=number(record, "value", where),
        n=integer(record, "n", where, least=0),
    )
    _check_meaning(row, where)
    return row


def _check_meaning(row: Row, where: str) -> None:
    check_split(row.split, where)
    check_rate(row.metric, row.value, where)
    check_combination(row.combination, where)
    if not row.combination and row.metric in _OF_COMBINATIONS:
        raise RowError(f"{where}: expected {row.metric} with a combination, came none.")


def check_split(split: str, where: str) -> None:
    """Refuse a split of another name.

    Raises:
        RowError: If it is neither ``val`` nor ``test``.
    """
    if split not in SPLITS:
        raise RowError(f"{where}: expected 'split' to be 'val' or 'test', came {split!r}.")


def check_rate(metric: str, value: float | None, where: str) -> None:
    """Refuse a rate that is no fraction.

    Raises:
        RowError: If it is below 0 or above 1.
    """
    if metric in RATES and value is not None and not 0 <= value <= 1:
        raise RowError(
            f"{where}: expected {metric} as a fraction between 0 and 1, came {value:g}; "
            "divide percentages by 100."
        )


def check_combination(combination: str, where: str) -> None:
    """Refuse a combination that names a modality twice, or none between two signs.

    Raises:
        RowError: If it does; the empty name is no combination and passes.
    """
    parts = combination.split("+")
    if combination and (not all(parts) or len(set(parts)) < len(parts)):
        raise RowError(
            f"{where}: expected 'combination' to be different modalities joined by '+', "
            f"came {combination!r}."
        )


def read_rows(path: Path) -> list[Row]:
    """Read and check every row of a ``.jsonl`` file.

    Raises:
        RowError: At the first row that does not keep the schema.
        FileNotFoundError: If there is no such file.
    """
    return [parse_row(record, where) for where, record in read_records(path)]


def unique(rows: Iterable[tuple[object, Row]]) -> list[Row]:
    """Drop repeated rows, so that nothing is counted twice.

    Args:
        rows: ``(identity, row)``; rows of equal identity state the same number. The identity holds
            the system, data set, split, seed, combination and metric.

    Returns:
        The first row of each identity, in order.

    Raises:
        ValueError: If two rows of one identity disagree: there is no telling which is right.
    """
    kept: dict[object, Row] = {}
    for identity, row in rows:
        first = kept.setdefault(identity, row)
        if row.metric in _MAY_DIFFER or (first.value == row.value and first.n == row.n):
            continue
        raise ValueError(
            f"Two rows of the runs {first.run!r} and {row.run!r} disagree: {row.method}, seed "
            f"{row.seed}, {row.dataset} {row.split}, {row.metric} of "
            f"{row.combination or 'the run'} is {first.value} (n={first.n}) and {row.value} "
            f"(n={row.n}). Leave one of the two runs out."
        )
    return list(kept.values())
