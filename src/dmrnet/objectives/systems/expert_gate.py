"""Flex-MoE's terms on the gates of its experts: which expert has a combination, and their load."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.systems.tokens.flex_moe import expert_of
from dmrnet.objectives.term import Step, Term

EPSILON = 1e-10
"""Keeps the coefficient of variation finite where nothing was chosen."""


class ExpertTarget(Term):
    r"""Sends samples that lack a modality to the expert of their combination (S-router).

    .. math:: L = \sum_v \frac1N \sum_{i: S_i \ne all} \frac1{T_v} \sum_t CE(h_{ivt}, e(S_i))

    with h the logits of a gate for token t of modality v, summed over layers. The gates are the
    fusion's extra ``gate_logits``. The released code divides by the number of samples that lack a
    modality; here by that of all samples, as a task loss is.

    Args:
        weight: Weight of the term; .01 as released.
    """

    def __init__(self, weight: float) -> None:
        super().__init__("expert_target", weight)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over layers and modalities of the mean over the batch."""
        lacking = ~step.mask.all(1)
        total = step.task.per_sample.new_zeros(())
        for logits in step.fused.extras["gate_logits"]:
            expert = expert_of(step.mask, logits.shape[2])
            chosen = at_least_float32(logits).log_softmax(2)[
                torch.arange(len(expert), device=expert.device), :, expert
            ]
            total = total - torch.where(lacking[:, None], chosen, 0.0).mean()
        return total


class ExpertBalance(Term):
    r"""Spreads tokens evenly over experts: ``CV(importance)^2 + CV(load)^2`` of each gate.

    Importance is the sum of an expert's weights, load that of its probabilities to be chosen
    (Shazeer et al., ICLR 2017, Eq. 6-11); CV is deviation by mean. As released, it is computed for
    each modality's tokens, over samples with all modalities (G-router), and, without the expert of
    these, over the others. The extras are ``gate_weights`` and ``gate_load``.

    It is a statistic of a process's batch: of several processes, each balances its own.

    Args:
        weight: Weight of the term; .01 as released.
    """

    def __init__(self, weight: float) -> None:
        super().__init__("expert_balance", weight)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over layers, modalities and both groups of samples."""
        full = step.mask.all(1)[:, None, None]
        total = step.task.per_sample.new_zeros(())
        extras = step.fused.extras
        for used in (*extras["gate_weights"], *extras["gate_load"]):
            values = at_least_float32(used)
            total = total + variation(torch.where(full, values, 0.0).sum((0, 1)))
            total = total + variation(torch.where(full, 0.0, values).sum((0, 1))[1:])
        return total


def variation(values: Tensor) -> Tensor:
    """Return the squared coefficient of variation, 0 for fewer than two values.

    >>> variation(torch.tensor([1.0, 3.0])).item()
    0.5
    """
    if len(values) < 2:
        return values.sum() * 0
    return values.var() / (values.mean().square() + EPSILON)
