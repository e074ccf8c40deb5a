"""The correlation term of LCR."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.term import Step, Term


class Correlation(Term):
    r"""How far each modality's features are from what the others express of it.

    .. math:: L = \frac1N \sum_n \frac1{K_n} \sum_i \delta_i \, \text{mean}_{h,w}
        KL(softmax_c f_i \| softmax_c F_i)

    over modalities that are shown together with another one, so that it needs no complete data;
    reads both sides from the extra ``correlation`` of `CorrelationFusion`.

    Args:
        weight: Its weight.
        own: Modalities express themselves too, so that one shown alone counts as well.
    """

    def __init__(self, weight: float, own: bool = False) -> None:
        super().__init__("correlation", weight)
        self.own = own

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        pair = step.fused.extras["correlation"]
        features, expressed = (at_least_float32(s).log_softmax(2) for s in pair)
        kl = (features.exp() * (features - expressed)).sum(2).mean((2, 3))
        shown = step.mask.sum(1, keepdim=True)
        counts = step.mask if self.own else step.mask & (shown > 1)
        return (torch.where(counts, kl, 0.0) / shown).sum() / len(kl)
