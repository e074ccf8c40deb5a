"""The measure of volumes: Dice, averaged over regions, then over cases; and HD95."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dmrnet.evaluation.combinations import Evaluation
from dmrnet.evaluation.measures import Columns, Measure
from dmrnet.evaluation.volumes.evaluate import VolumeEvaluation
from dmrnet.evaluation.volumes.regions import Region, mean_over_cases, region_dice


@dataclass(frozen=True)
class MeanDice(Measure):
    """Dice of the regions, averaged over them and then over cases, and their HD95 likewise.

    Attributes:
        regions: The regions whose mean is the score.
        every: All regions and classes that are reported, as ``dice/NAME``.
    """

    regions: tuple[Region, ...] = ()
    every: tuple[Region, ...] = ()

    name, label = "dice", "Dice"

    def of(self, evaluation: Evaluation, complete: bool = False) -> Columns:
        """Return Dice and, where it was computed, HD95 of each combination."""
        assert isinstance(evaluation, VolumeEvaluation)
        counts, scored = evaluation.counts, evaluation.scored
        if complete:
            scored = scored & scored.all(0)
        n = scored.sum(1)
        columns = {}
        values = {name: region_dice(counts, some) for name, some in (*self.regions, *self.every)}
        mean = torch.stack([values[name] for name, _ in self.regions]).mean(0)
        columns["dice"] = (mean_over_cases(mean, scored), n)
        for name, _ in self.every:
            columns[f"dice/{name}"] = (mean_over_cases(values[name], scored), n)
        if evaluation.distances is not None:
            columns["hd95"] = (mean_over_cases(evaluation.distances.mean(2), scored), n)
            for r, (name, _) in enumerate(evaluation.regions):
                column = mean_over_cases(evaluation.distances[..., r], scored)
                columns[f"hd95/{name}"] = (column, n)
        return columns
