"""Task losses by sample: cross-entropy of a class (Eq. 3 and 8)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.objectives.term import TaskLoss


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
    """Return the cross-entropy of each sample, normalised by the batch.

    Args:
        logits: ``(B, M)``.
        target: int64 ``(B,)``.
        smoothing: Share of the target spread over all classes.

    >>> loss = cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    >>> round(float(loss.mean), 4)
    1.3863
    """
    losses = F.cross_entropy(logits.float(), target, reduction="none", label_smoothing=smoothing)
    return TaskLoss(losses, losses.new_tensor(float(len(losses))), torch.ones_like(losses))
