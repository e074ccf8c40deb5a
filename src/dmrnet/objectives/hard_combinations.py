"""The hard-combination term L_HCR (Eq. 11-12)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmrnet.nn.fusion import over_maps
from dmrnet.nn.predictor import Output
from dmrnet.objectives.mining import Miner
from dmrnet.objectives.task import VOID
from dmrnet.objectives.term import Step, Term
from dmrnet.targets import TaskLoss


class HardCombinations(Term):
    """``L_HCR = 1/N sum_i L_i [Delta_i in H]``, weight beta (Eq. 11-12).

    The auxiliary predictor f_r shares its parameters with the task predictor f_t and reads the same
    sample s_i, so its loss is the task loss of that sample: a hard sample weighs 1 + beta. The term
    is divided by the task loss's normaliser (the batch size, or the pixel weights), not by the
    number of hard samples. Without a hard sample it is exactly 0, with a graph.

    Args:
        beta: Weight of the term; .7, .3, .3, .5 in the paper.
        miner: Miner of the hard set.
        start_epoch: First epoch, counted from 0, in which the term is added.
        broadcast: Whether to compute the term as the released classification code does: tensors of
            shape ``(B,)`` and ``(B, 1, 1, 1)`` are multiplied, which gives the number of hard
            samples times the mean loss of the *whole* batch. With about 27 hard samples of 64 the
            task loss weighs 20 times as much, and nothing is restricted to hard combinations.

    Attributes:
        predictor: f_r if it has parameters of its own (see `own`), as in the released segmentation
            code, else None. As there, the term is then the task loss of the hard samples alone.
    """

    predictor: nn.Module | None

    def __init__(
        self, beta: float, miner: Miner, start_epoch: int = 5, broadcast: bool = False
    ) -> None:
        super().__init__("hard_combinations", beta, start_epoch)
        self.miner = miner
        self.broadcast = broadcast
        self.predictor = None
        self.loss: Callable[[Output, Tensor], TaskLoss] | None = None

    def own(self, predictor: nn.Module, loss: Callable[[Output, Tensor], TaskLoss]) -> None:
        """Give the auxiliary predictor parameters of its own.

        Args:
            predictor: f_r, from the representation's value and skips to `Output`.
            loss: Task loss of its output and a target.
        """
        self.predictor, self.loss = predictor, loss

    def forward(self, step: Step) -> Tensor:
        """Return the task loss of the hard samples over the batch's normaliser."""
        hard = self.miner.is_hard(step.mask)
        task = step.task
        if self.broadcast:
            return hard.sum() * task.mean
        if self.predictor is not None:
            return self._own_loss(self.predictor, step, hard)
        return (task.per_sample * hard).sum() / task.normaliser

    def _own_loss(self, predictor: nn.Module, step: Step, hard: Tensor) -> Tensor:
        """Return the loss of the hard samples alone, by the predictor of the term's own."""
        assert self.loss is not None
        own = predictor(step.rep.value, step.fused.skips)
        # The released code uses its second decoder only if a sample shows depth alone.
        last_alone = ((step.mask.sum(1) == 1) & step.mask[:, -1]).any()
        main, *side = (
            torch.where(last_alone, mine, shared)
            for mine, shared in zip(
                (own.logits, *own.side), (step.out.logits, *step.out.side), strict=True
            )
        )
        out, target = Output(main, tuple(side)), step.batch.target
        if out.logits.dim() == 2:
            return (self.loss(out, target).per_sample * hard).sum() / hard.sum().clamp(min=1)
        # Every scale is divided by its own labelled pixels of hard samples.
        return self.loss(out, torch.where(over_maps(hard, target), target, VOID)).mean
