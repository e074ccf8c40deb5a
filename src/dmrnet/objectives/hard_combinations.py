"""The hard-combination term L_HCR (Eq. 11-12)."""

from __future__ import annotations

from torch import Tensor

from dmrnet.objectives.mining import Miner
from dmrnet.objectives.term import Step, Term


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
    """

    def __init__(
        self, beta: float, miner: Miner, start_epoch: int = 5, broadcast: bool = False
    ) -> None:
        super().__init__("hard_combinations", beta)
        self.miner = miner
        self.start_epoch = start_epoch
        self.broadcast = broadcast

    def weight(self, epoch: int) -> float:
        """Return beta from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the task loss of the hard samples over the whole batch's normaliser."""
        hard = self.miner.is_hard(step.mask)
        if self.broadcast:
            return hard.sum() * step.task.mean
        return (step.task.per_sample * hard).sum() / step.task.normaliser
