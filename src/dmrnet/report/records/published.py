"""Rows that others publish: numbers from a paper, beside which one's own runs are shown.

Such a row names its ``source``. It may lack what a paper does not print: the seed, the samples
scored, the run. Without seeds it is shown as printed: one number, with a standard error only if
one is printed too. It is never one side of a paired difference, seeds or not: another's seeds
draw other splits and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dmrnet.report.records.metrics import COMPLETE
from dmrnet.report.records.rows import (
    RATES,
    RowError,
    check_combination,
    check_rate,
    check_split,
    integer,
    number,
    text,
)

_NEEDED = ("source", "method", "dataset", "split", "combination", "metric", "value")
_MAY_LACK = ("recipe", "settings", "seed", "se", "n", "run")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One number that somebody else published.

    Attributes:
        source: Where it stands, such as ``Wei et al., ECCV 2024, Table 1``. Rows of one source,
            method, recipe and settings are one system.
        method: Name of the method.
        dataset: Name of the data set.
        split: ``val`` or ``test``.
        combination: Modalities joined by ``+``; empty for a number of the whole system. A score
            (``accuracy``, ``acer``, ``miou``) without combination is the average over
            combinations as printed.
        metric: Name of the metric.
        value: The number; rates are fractions; None where it is undefined.
        recipe: Name of the recipe; empty where there is none.
        settings: What was set, such as ``{"method.alpha": 0.001}``.
        seed: Seed of the training; None where the source gives no seeds.
        se: Standard error as printed, in the value's unit; None where there is none. Only
            without seeds, which say it themselves.
        n: Samples scored; 0 where unknown.
    """

    source: str
    method: str
    dataset: str
    split: str
    combination: str
    metric: str
    value: float | None
    recipe: str = ""
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    seed: int | None = None
    se: float | None = None
    n: int = 0


def parse_published(record: Mapping[str, object], where: str = "row") -> PublishedRow:
    """Check one JSON object that names its source.

    Args:
        record: The object.
        where: What to call it in messages, such as ``rows.jsonl:3``.

    Raises:
        RowError: If a key is missing, unknown or of the wrong kind, or a rate is not a fraction.

    Example:
        >>> row = parse_published(
        ...     {
        ...         "source": "Wei et al., ECCV 2024, Table 1",
        ...         "method": "dmrnet",
        ...         "dataset": "casia-surf",
        ...         "split": "test",
        ...         "combination": "rgb",
        ...         "metric": "acer",
        ...         "value": 0.0823,
        ...     }
        ... )
        >>> row.value, row.seed
        (0.0823, None)
    """
    missing = [key for key in _NEEDED if key not in record]
    unknown = [key for key in record if key not in (*_NEEDED, *_MAY_LACK)]
    if missing or unknown:
        told = [f"without {', '.join(missing)}"] if missing else []
        told += [f"with unknown {', '.join(map(repr, unknown))}"] if unknown else []
        raise RowError(
            f"{where}: expected a published row with the keys {', '.join(_NEEDED)} and perhaps "
            f"{', '.join(_MAY_LACK)}; came one {' and '.join(told)}."
        )
    settings = record.get("settings", {})
    if not isinstance(settings, dict):
        raise RowError(f"{where}: expected 'settings' to be an object, came {settings!r}.")
    row = PublishedRow(
        source=text(record, "source", where),
        method=text(record, "method", where),
        dataset=text(record, "dataset", where),
        split=text(record, "split", where),
        combination=text(record, "combination", where, empty=True),
        metric=text(record, "metric", where),
        value=number(record, "value", where),
        recipe=text({"recipe": "", **record}, "recipe", where, empty=True),
        settings=settings,
        seed=None if record.get("seed") is None else integer(record, "seed", where),
        se=number({"se": None, **record}, "se", where),
        n=0 if record.get("n") is None else integer(record, "n", where, least=0),
    )
    check_split(row.split, where)
    check_combination(row.combination, where)
    if row.metric in RATES:
        check_rate(row.metric, row.value, where)
        if not row.combination and row.metric.endswith(COMPLETE):
            raise RowError(f"{where}: expected {row.metric} with a combination, came none.")
    if row.se is not None and (row.se < 0 or row.seed is not None):
        raise RowError(
            f"{where}: expected 'se' not below 0 and only without 'seed', came {row.se:g} with "
            f"seed {row.seed}."
        )
    return row
