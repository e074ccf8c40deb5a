"""The hard-combination term L_HCR (Eq. 11-12)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmrnet.nn.predictor import Output
from dmrnet.objectives.mining import Miner
from dmrnet.objectives.term import Step, TaskLoss, Term


class HardCombinations(Term):
    """``L_HCR = 1/N sum_i L_i [Delta_i in H]``, weight beta (Eq. 11-12).

    The auxiliary predictor f_r shares its parameters with the task predictor f_t and reads the same
    sample s_i, so its loss on a sample *is* the task loss of that sample: with beta the sample
    weighs 1 + beta. The term has the task loss's own normaliser (the batch, or the pixel weights),
    not the number of hard samples. A batch without a hard sample gives an exact 0 with a graph.

    Args:
        beta: Its weight; .7, .3, .3, .5 in the paper.
        miner: Says which combinations are hard.
        start_epoch: The first epoch, counted from 0, in which the term acts.
        broadcast: As the released classification code computes it: shapes ``(B,)`` and
            ``(B, 1, 1, 1)`` are multiplied, so that the term is the number of hard samples times
            the mean loss of the *whole* batch. About 27 hard samples of 64 make the task loss weigh
            20 and the distribution term a twentieth; nothing is restricted to hard combinations.

    Attributes:
        predictor: f_r where it has parameters of its own (`own`), as in the released segmentation
            code; None where it shares those of f_t.
    """

    predictor: nn.Module | None

    def __init__(
        self, beta: float, miner: Miner, start_epoch: int = 5, broadcast: bool = False
    ) -> None:
        super().__init__("hard_combinations", beta)
        self.miner = miner
        self.start_epoch = start_epoch
        self.broadcast = broadcast
        self.predictor = None
        self.loss: Callable[[Output, Tensor], TaskLoss] | None = None

    def own(self, predictor: nn.Module, loss: Callable[[Output, Tensor], TaskLoss]) -> None:
        """Predict with parameters of its own.

        Args:
            predictor: f_r, from the representation's value and skips to `Output`.
            loss: From what it predicts and the target to the task loss.
        """
        self.predictor, self.loss = predictor, loss

    def weight(self, epoch: int) -> float:
        """Return beta from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the task loss of the hard samples over the whole batch's normaliser."""
        hard = self.miner.is_hard(step.mask)
        task = step.task
        if self.broadcast:
            return hard.sum() * task.mean
        per_sample = task.per_sample
        if self.predictor is not None:
            assert self.loss is not None
            out = self.predictor(step.rep.value, step.fused.skips)
            # The released code turns to its second decoder only where a sample shows depth alone.
            alone = (step.mask.sum(1) == 1) & step.mask[:, -1]
            own = self.loss(out, step.batch.target).per_sample
            per_sample = torch.where(alone.any(), own, per_sample)
        return (per_sample * hard).sum() / task.normaliser
