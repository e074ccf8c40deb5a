"""Task losses by sample: cross-entropy of a class (Eq. 3 and 8), and of every pixel's class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.term import TaskLoss

VOID = -1
"""The label of a pixel that is not to be learnt."""


def as_buffer(class_weights: Sequence[float] | None) -> Tensor | None:
    """Return weights of classes as a term keeps them."""
    return None if class_weights is None else torch.tensor(class_weights)


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
    losses = F.cross_entropy(
        at_least_float32(logits), target, reduction="none", label_smoothing=smoothing
    )
    return TaskLoss(losses, losses.new_full((), len(losses)), torch.ones_like(losses))


def pixel_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> TaskLoss:
    """Return the cross-entropy over the labelled pixels of each sample.

    The batch is normalised by the sum of the weights of its labelled pixels.

    Args:
        logits: ``(B, M, h, w)``.
        target: int64 ``(B, H, W)``; `VOID` where a pixel has no label. A side output of another
            size is compared with the nearest pixels.
        weight: Of each class, ``(M,)``; all 1 if None.
        smoothing: Share of the target spread over all classes.

    >>> loss = pixel_cross_entropy(torch.zeros(1, 4, 1, 2), torch.tensor([[[2, -1]]]))
    >>> round(float(loss.mean), 4), float(loss.normaliser)
    (1.3863, 1.0)
    """
    logits = at_least_float32(logits)
    target = resized(target, logits.shape[2], logits.shape[3])
    weight = logits.new_ones(logits.shape[1]) if weight is None else weight.to(logits)
    losses = F.cross_entropy(
        logits, target, weight, ignore_index=VOID, reduction="none", label_smoothing=smoothing
    )
    size = labelled_size(target, weight)
    # A batch without one labelled pixel has a loss of zero, and not 0/0.
    normaliser = size.sum().clamp(min=torch.finfo(size.dtype).tiny)
    return TaskLoss(losses.flatten(1).sum(1), normaliser, size)


def labelled_size(target: Tensor, weight: Tensor) -> Tensor:
    """Return the weights of each sample's labelled pixels, added; ``(B,)``.

    Args:
        target: int64 ``(B, H, W)``.
        weight: Of each class, ``(M,)``.
    """
    pixels = torch.where(target == VOID, 0.0, weight[target.clamp(min=0)])
    return pixels.flatten(1).sum(1)


def add_scales(losses: Sequence[TaskLoss]) -> TaskLoss:
    """Add the losses of a sample's outputs at several scales, each by its own normaliser.

    Args:
        losses: Of the same samples; the first is the main output, whose normaliser and sizes the
            sum has.

    >>> one = TaskLoss(torch.tensor([6.0]), torch.tensor(2.0), torch.tensor([2.0]))
    >>> two = TaskLoss(torch.tensor([8.0]), torch.tensor(4.0), torch.tensor([4.0]))
    >>> float(add_scales([one, two]).mean)
    5.0
    """
    main = losses[0]
    total = torch.stack([loss.per_sample / loss.normaliser for loss in losses]).sum(0)
    return TaskLoss(total * main.normaliser, main.normaliser, main.size)


def resized(target: Tensor, height: int, width: int) -> Tensor:
    """Return labels ``(B, H, W)`` at another size, each the nearest pixel's."""
    rows = torch.arange(height, device=target.device) * target.shape[1] // height
    columns = torch.arange(width, device=target.device) * target.shape[2] // width
    return target[:, rows[:, None], columns]
