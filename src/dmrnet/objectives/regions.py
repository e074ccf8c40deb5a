"""RFNet's two auxiliary terms: of the regions, and of each modality by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.modalities import take_rows
from dmrnet.nn.fusion import to_grid
from dmrnet.objectives.task import cross_entropy
from dmrnet.objectives.term import Step, Term


class RegionTerm(Term):
    """Cross-entropy of the regions' averaged logits, where each region stands for a class.

    ``L_prm = 1/N sum_n CE(GAP(PRM logits), y)``; reads them from what `RegionFusion` tells.
    """

    def __init__(self, weight: float) -> None:
        super().__init__("regions", weight)

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        (logits,) = step.fused.told
        return cross_entropy(logits.mean((2, 3)), step.batch.target).mean


class Separate(Term):
    """Each modality by itself through one network that all share: RFNet's and mmFormer's sep.

    ``L_sep = 1/N sum_n sum_{v in n} CE(D(f_v), y)`` over the modalities that a sample has, masked
    ones too. The network is the term's own and not used at inference.

    Args:
        weight: Its weight.
        modalities: Names in order.
        trunk: Of one modality's map.
        predictor: Behind it.
        grid: To which the maps are brought.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(
        self,
        weight: float,
        modalities: Sequence[str],
        trunk: nn.Module,
        predictor: nn.Module,
        grid: tuple[int, int],
    ) -> None:
        super().__init__("separate", weight)
        self.modalities = tuple(modalities)
        self.trunk = trunk
        self.predictor = predictor
        self.grid = grid

    def forward(self, step: Step) -> Tensor:
        """Return the sum over samples and their modalities, over the batch's size."""
        assert step.batch.where is not None
        maps, targets = [], []
        for name in self.modalities:
            f, rows = to_grid(step.feats[name], self.grid), step.batch.where[name]
            maps.append(f if rows is None else take_rows(f, rows))
            target = step.batch.target
            targets.append(target if rows is None else target.index_select(0, rows))
        logits = self.predictor(self.trunk(torch.cat(maps)), ()).logits
        return cross_entropy(logits, torch.cat(targets)).per_sample.sum() / len(step.batch)
