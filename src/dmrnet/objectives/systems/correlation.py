"""LCR's correlation term."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.modalities.precision import at_least_float32
from dmrnet.objectives.term import Step, Term


class Correlation(Term):
    r"""Divergence of each modality's features from their expression by the other modalities.

    .. math:: L = \frac1N \sum_n \frac1{K_n} \sum_i \delta_i \, \text{mean}_{h,w}
        KL(softmax_c f_i \| softmax_c F_i)

    over modalities that are visible together with another one, so that samples need not be
    complete. Features and expressions are the extra ``correlation`` of `CorrelationFusion`.

    Args:
        weight: Weight of the term.
        own: Whether a modality takes part in its own expression, so that one that is visible alone
            counts as well.
    """

    def __init__(self, weight: float, own: bool = False) -> None:
        super().__init__("correlation", weight)
        self.own = own

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        pair = step.fused.extras["correlation"]
        features, expressed = (at_least_float32(side).log_softmax(2) for side in pair)
        kl = (features.exp() * (features - expressed)).sum(2).mean((2, 3))
        visible = step.mask.sum(1, keepdim=True)
        counts = step.mask if self.own else step.mask & (visible > 1)
        return (torch.where(counts, kl, 0.0) / visible).sum() / len(kl)
