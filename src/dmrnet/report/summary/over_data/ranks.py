"""Ranks over data sets: scores of different data sets cannot be averaged, ranks can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmrnet.report.records.systems import System
from dmrnet.report.statistics.over_data import critical_difference, friedman
from dmrnet.report.summary.over_data.matching import match_systems
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

    @property
    def friedman_p(self) -> float | None:
        """P value of Friedman's test that all systems rank alike."""
        test = friedman(self.averages, len(self.datasets))
        return None if test is None else test[1]

    @property
    def critical_difference(self) -> float:
        """Difference of average ranks that is beyond chance at the level .05 (Nemenyi)."""
        return critical_difference(len(self.labels), len(self.datasets))


def rank_over_data(
    summaries: Sequence[DataSummary], names: Mapping[System, str] | None = None
) -> Ranking | None:
    """Rank systems on each data set, by its first score, by their average over combinations.

    Returns:
        The ranking; None unless at least two systems were run on at least two data sets.
    """
    matched = match_systems(summaries, names)
    tables = [
        {
            label: item.score.error(one.headlines["average"].mean)
            for label, one in systems.items()
            if "average" in one.headlines
        }
        for item, systems in matched.values()
    ]
    every = list(dict.fromkeys(label for table in tables for label in table))
    common = [label for label in every if all(label in table for table in tables)]
    if len(tables) < 2 or len(common) < 2:
        return None

    from scipy.stats import rankdata

    # Rounded, so that equal scores tie rather than rank by their last bit.
    errors = np.round([[table[label] for label in common] for table in tables], 12)
    ranks = rankdata(errors, axis=1).T
    order = np.argsort(ranks.mean(1), kind="stable").tolist()
    return Ranking(
        datasets=tuple(matched),
        labels=tuple(common[row] for row in order),
        ranks=tuple(tuple(ranks[row].tolist()) for row in order),
        left_out=tuple(label for label in every if label not in common),
    )
