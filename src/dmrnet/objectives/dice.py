"""Dice: how far predicted and labelled pixels of each class overlap."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.task import VOID, resized
from dmrnet.objectives.term import Step, Term

SMOOTH = 1e-7


def dice(logits: Tensor, target: Tensor) -> Tensor:
    r"""Return the Dice loss over the labelled pixels of a batch.

    .. math:: 1 - \frac1M \sum_c \frac{2 \sum p_c t_c}{\sum p_c + \sum t_c + 10^{-7}}

    Args:
        logits: ``(B, M, h, w)``.
        target: int64 ``(B, H, W)``; `VOID` where a pixel has no label. Logits of another size are
            compared with the nearest pixels.

    Returns:
        A scalar.

    >>> sure = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])
    >>> [round(float(dice(sure, torch.tensor([[[a, b]]]))), 3) for a, b in ((0, 1), (1, 0))]
    [0.0, 1.0]
    """
    target = resized(target, logits.shape[2], logits.shape[3])
    labelled = (target != VOID).unsqueeze(1)
    p = torch.where(labelled, at_least_float32(logits).softmax(1), 0.0)
    t = F.one_hot(target.clamp(min=0), logits.shape[1]).movedim(3, 1) * labelled
    both, sizes = (p * t).sum((0, 2, 3)), (p + t).sum((0, 2, 3))
    return 1 - (2 * both / (sizes + SMOOTH)).mean()


class DiceTerm(Term):
    """The Dice loss of the fused prediction.

    Args:
        weight: Its weight.
        start_epoch: The first epoch, counted from 0, in which it acts.
    """

    def __init__(self, weight: float, start_epoch: int = 0) -> None:
        super().__init__("dice", weight)
        self.start_epoch = start_epoch

    def weight(self, epoch: int) -> float:
        """Return the weight from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the loss of the main output."""
        return dice(step.out.logits, step.batch.target)
