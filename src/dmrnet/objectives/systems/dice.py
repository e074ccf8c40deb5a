"""The Dice loss: overlap of the predicted and labelled pixels of each class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32
from dmrnet.objectives.task import VOID, resized
from dmrnet.objectives.term import Step, Term

SMOOTH = 1e-7


def dice(logits: Tensor, target: Tensor) -> Tensor:
    r"""Return the Dice loss over the labelled pixels of a batch.

    .. math:: 1 - \frac1M \sum_c \frac{2 \sum p_c t_c}{\sum p_c + \sum t_c + 10^{-7}}

    Args:
        logits: Logits ``(B, M, h, w)``, or of volumes.
        target: Int64 tensor of shape ``(B, H, W)``; `VOID` where a pixel has no label. It is
            resized to ``(h, w)`` by nearest neighbours.

    Returns:
        A scalar.

    >>> sure = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])
    >>> [round(float(dice(sure, torch.tensor([[[a, b]]]))), 3) for a, b in ((0, 1), (1, 0))]
    [0.0, 1.0]
    """
    target = resized(target, *logits.shape[2:])
    labelled = (target != VOID).unsqueeze(1)
    p = torch.where(labelled, at_least_float32(logits).softmax(1), 0.0)
    t = F.one_hot(target.clamp(min=0), logits.shape[1]).movedim(-1, 1) * labelled
    over = (0, *range(2, p.dim()))
    both, sizes = (p * t).sum(over), (p + t).sum(over)
    return 1 - (2 * both / (sizes + SMOOTH)).mean()


class DiceTerm(Term):
    """The Dice loss of the fused prediction.

    Args:
        weight: Weight of the term.
        start_epoch: First epoch, counted from 0, in which the term is added.
    """

    def __init__(self, weight: float, start_epoch: int = 0) -> None:
        super().__init__("dice", weight, start_epoch)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of the main output."""
        return dice(step.out.logits, step.batch.target)
