"""Parts of a score, such as Dice of each region: metrics named ``SCORE/PART``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.records.metrics import COMPLETE
from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate, average
from dmrnet.report.summary.row_index import RowIndex

SEPARATOR = "/"
"""Between a score and its part in the name of a metric, as in ``dice/WT``."""


@dataclass(frozen=True, slots=True)
class PartScores:
    """Parts of a score of one system.

    Attributes:
        label: Name of the system on the page.
        scores: Values by part and combination.
        averages: Average over the compared combinations, by part; none where one of them has no
            value.
    """

    label: str
    scores: Mapping[str, Mapping[str, Estimate]]
    averages: Mapping[str, Estimate]


def is_part(metric: str, score: str) -> bool:
    """Whether a metric is a part of a score; not one of complete samples only.

    >>> [is_part(one, "dice") for one in ("dice/WT", "dice", "dice/WT_complete")]
    [True, False, False]
    """
    return metric.startswith(f"{score}{SEPARATOR}") and not metric.endswith(COMPLETE)


def parts_of(
    index: RowIndex, labels: Mapping[System, str], score: str, compared: Sequence[str]
) -> tuple[PartScores, ...]:
    """Return the parts of a score of the systems that have any.

    Args:
        index: Rows of the data set.
        labels: Name of each system on the page.
        score: Name of the score.
        compared: Combinations that averages are over.
    """
    metrics = [metric for metric in index.metrics if is_part(metric, score)]
    parts = []
    for system in index.systems:
        scores: dict[str, dict[str, Estimate]] = {}
        for (of, metric, name), by_seed in index.scores.items():
            if of == system and metric in metrics and by_seed:
                part = metric.partition(SEPARATOR)[2]
                scores.setdefault(part, {})[name] = Estimate.of(by_seed)
        averages = {
            part: mean
            for part, by_name in scores.items()
            if all(name in by_name for name in compared)
            and (mean := average([by_name[name] for name in compared]))
        }
        if scores:
            parts.append(PartScores(labels[system], scores, averages))
    return tuple(parts)
