"""MMANet's modality-aware regularisation (MAR): weak combinations are classified a second time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.nn.fusion import Fusion
from dmrnet.objectives.systems.weak_combinations import WeakCombinations
from dmrnet.objectives.task import as_buffer, output_loss
from dmrnet.objectives.term import Step, Term


class ModalityAware(Term):
    r"""Classifies weak combinations with a fusion and a predictor of its own.

    .. math:: L = \frac1N \sum_i [\Delta_i \text{ weak}] \; CE(A(f_i, \Delta_i), y_i)

    The second network belongs to the term and is not used at inference.

    Source: Wei et al., CVPR 2023. The released code multiplies tensors of shape ``(B,)`` and
    ``(B, 1, 1, 1)``, so that its term is the number of weak samples times the mean over the whole
    batch (`broadcast`).

    Args:
        weight: Weight of the term; .5 in the source.
        weak: Ranking that says which combinations are weak.
        fusion: Fusion with a trunk of its own.
        predictor: Predictor that reads the fused map.
        start_epoch: First epoch, counted from 0, in which the term is added.
        broadcast: Whether to compute the term as released.
        class_weights: Weight of each class in a dense task; all 1 if None.
        dice: Weight of the Dice loss next to the cross-entropy there.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        weight: float,
        weak: WeakCombinations,
        fusion: Fusion,
        predictor: nn.Module,
        start_epoch: int,
        broadcast: bool = False,
        class_weights: Sequence[float] | None = None,
        dice: float = 0.0,
    ) -> None:
        super().__init__("modality_aware", weight, start_epoch)
        self.weak = weak
        self.fusion = fusion
        self.predictor = predictor
        self.broadcast, self.dice = broadcast, dice
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over weak samples, divided by the batch's normaliser."""
        fused = self.fusion(step.feats, step.mask)
        out = self.predictor(fused.map, fused.skips)
        loss = output_loss(out, step.batch.target, self.class_weights, dice=self.dice)
        weak = self.weak.is_weak(step.mask)
        if self.broadcast:
            return weak.sum() * loss.mean
        return torch.where(weak, loss.per_sample, 0.0).sum() / loss.normaliser
