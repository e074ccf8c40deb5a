"""Ranks over data sets: scores of different data sets cannot be averaged, ranks can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmrnet.report.records.systems import System, labels_of
from dmrnet.report.summary.summary import DataSummary


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranks of the systems that were run on every data set.

    Attributes:
        datasets: Names of the data sets.
        labels: Labels of the systems, best average rank first.
        ranks: Rank of each system on each data set; 1 is best, ties share their mean.
        left_out: Labels of systems that were not run on every data set.
    """

    datasets: tuple[str, ...]
    labels: tuple[str, ...]
    ranks: tuple[tuple[float, ...], ...]
    left_out: tuple[str, ...]

    @property
    def averages(self) -> tuple[float, ...]:
        """Mean rank of each system."""
        return tuple(sum(row) / len(row) for row in self.ranks)


def rank_over_data(
    summaries: Sequence[DataSummary], names: Mapping[System, str] | None = None
) -> Ranking | None:
    """Rank systems on each data set, by its first score, by their average over combinations.

    Returns:
        The ranking; None unless at least two systems were run on at least two data sets.
    """
    first: dict[str, DataSummary] = {}
    for item in summaries:
        first.setdefault(item.dataset, item)
    tables = [
        {
            one.system: item.score.error(one.headlines["average"].mean)
            for one in item.systems
            if "average" in one.headlines and not one.system.source
        }
        for item in first.values()
    ]
    every = list(dict.fromkeys(system for table in tables for system in table))
    common = [system for system in every if all(system in table for table in tables)]
    if len(tables) < 2 or len(common) < 2:
        return None

    from scipy.stats import rankdata

    # Rounded, so that equal scores tie rather than rank by their last bit.
    errors = np.round([[table[system] for system in common] for table in tables], 12)
    ranks = rankdata(errors, axis=1).T
    order = np.argsort(ranks.mean(1), kind="stable").tolist()
    labels = labels_of(every, names)
    return Ranking(
        datasets=tuple(first),
        labels=tuple(labels[common[row]] for row in order),
        ranks=tuple(tuple(ranks[row].tolist()) for row in order),
        left_out=tuple(labels[system] for system in every if system not in common),
    )
