"""Published rows: numbers from a paper, shown next to runs.

Such a row names its ``source`` and may lack what a paper does not print: seed, number of samples,
run. Without seeds it is shown as printed, with a standard error only if one is printed too. It is
never paired with a run, even with seeds: the same seed elsewhere draws other splits and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dmrnet.report.records.metrics import COMPLETE
from dmrnet.report.records.rows import (
    RATES,
    RowError,
    check_keys,
    check_values,
    integer,
    mapping,
    number,
    text,
)

_REQUIRED = ("source", "method", "dataset", "split", "combination", "metric", "value")
_OPTIONAL = ("recipe", "settings", "seed", "se", "n", "run")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published number; see `Row` for what it shares with a measured one.

    Attributes:
        source: Publication, such as ``Wei et al., ECCV 2024, Table 1``. Rows of one
            source, method, recipe and settings are one system.
        combination: Modalities joined by ``+``; empty for a number of the whole system. A score
            (``accuracy``, ``acer``, ``miou``) without a combination is the printed average over
            combinations.
        recipe: Name of the recipe; empty if there is none.
        settings: Settings, such as ``{"method.alpha": 0.001}``.
        seed: Seed of the training; None if the source names no seeds.
        se: Printed standard error, in the unit of the value; None if there is none. Only without
            seeds: with them it is computed.
        n: Number of samples scored; 0 if unknown.
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
    """Make a published row of one JSON object that names its source; `where` is for messages.

    Raises:
        RowError: If a key is missing, unknown or of the wrong type, or a rate is not a fraction.
    """
    check_keys(record, _REQUIRED, where, _OPTIONAL)
    record = {"recipe": "", "settings": {}, "se": None, **record}
    row = PublishedRow(
        **{key: text(record, key, where) for key in ("source", "method", "dataset", "split")},
        combination=text(record, "combination", where, empty=True),
        metric=text(record, "metric", where),
        value=number(record, "value", where),
        recipe=text(record, "recipe", where, empty=True),
        settings=mapping(record, "settings", where),
        seed=None if record.get("seed") is None else integer(record, "seed", where),
        se=number(record, "se", where),
        n=0 if record.get("n") is None else integer(record, "n", where, least=0),
    )
    check_values(row.split, row.combination, row.metric, row.value, where)
    if row.metric in RATES and row.metric.endswith(COMPLETE) and not row.combination:
        raise RowError(f"{where}: expected {row.metric} with a combination, got none")
    if row.se is not None and (row.se < 0 or row.seed is not None):
        raise RowError(
            f"{where}: expected 'se' not below 0 and only without 'seed', got {row.se:g} with "
            f"seed {row.seed}"
        )
    return row
