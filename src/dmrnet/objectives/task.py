"""The task loss of each sample: that of its kind of target, or of every pixel's class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.nn.predictor import Output
from dmrnet.targets import CLASSES, Target, TaskLoss, cross_entropy

__all__ = [
    "VOID",
    "add_scales",
    "as_buffer",
    "cross_entropy",
    "labelled_size",
    "output_loss",
    "pixel_cross_entropy",
    "resized",
]

VOID = -1
"""Label of a pixel that is ignored."""


def as_buffer(class_weights: Sequence[float] | None) -> Tensor | None:
    """Return class weights as a tensor, for a buffer of a term."""
    return None if class_weights is None else torch.tensor(class_weights)


def pixel_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> TaskLoss:
    """Return the cross-entropy over the labelled pixels of each sample.

    The normaliser is the sum of the weights of the batch's labelled pixels.

    Args:
        logits: Logits ``(B, M, h, w)``.
        target: Int64 tensor of shape ``(B, H, W)``; `VOID` where a pixel has no label. It is
            resized to ``(h, w)`` by nearest neighbours.
        weight: Weight of each class, ``(M,)``; all 1 if None.
        smoothing: Share of the target that is spread over all classes.

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
    # A batch without a labelled pixel has a loss of zero, not 0/0.
    normaliser = size.sum().clamp(min=torch.finfo(size.dtype).tiny)
    return TaskLoss(losses.flatten(1).sum(1), normaliser, size)


def labelled_size(target: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of the weights of each sample's labelled pixels, ``(B,)``.

    Args:
        target: Int64 tensor of shape ``(B, H, W)``.
        weight: Weight of each class, ``(M,)``.
    """
    pixels = torch.where(target == VOID, 0.0, weight[target.clamp(min=0)])
    return pixels.flatten(1).sum(1)


def add_scales(losses: Sequence[TaskLoss]) -> TaskLoss:
    """Add the losses of outputs at several scales, each divided by its own normaliser.

    Args:
        losses: Losses of the same samples; the sum has the normaliser and sizes of the first, the
            main output.

    >>> one = TaskLoss(torch.tensor([6.0]), torch.tensor(2.0), torch.tensor([2.0]))
    >>> two = TaskLoss(torch.tensor([8.0]), torch.tensor(4.0), torch.tensor([4.0]))
    >>> float(add_scales([one, two]).mean)
    5.0
    """
    main = losses[0]
    total = torch.stack([loss.per_sample / loss.normaliser for loss in losses]).sum(0)
    return TaskLoss(total * main.normaliser, main.normaliser, main.size)


def output_loss(
    out: Output,
    target: Tensor,
    class_weights: Tensor | None = None,
    smoothing: float = 0.0,
    kind: Target = CLASSES,
) -> TaskLoss:
    """Return the task loss of each sample; in dense tasks side outputs are added to the main one.

    Args:
        out: Outputs ``(B, O)``, or logits ``(B, M, H, W)`` with side outputs.
        target: Encoded targets of `kind`, or int64 ``(B, H, W)``.
        class_weights: Weight of each class in a dense task, ``(M,)``; all 1 if None.
        smoothing: Share of the target that is spread over all classes.
        kind: What is predicted; read where a sample has one prediction.
    """
    if out.logits.dim() == 2:
        return kind.loss(out.logits, target, smoothing)
    return add_scales(
        [
            pixel_cross_entropy(logits, target, class_weights, smoothing)
            for logits in (out.logits, *out.side)
        ]
    )


def resized(target: Tensor, height: int, width: int) -> Tensor:
    """Resize labels ``(B, H, W)`` by nearest neighbours."""
    rows = torch.arange(height, device=target.device) * target.shape[1] // height
    columns = torch.arange(width, device=target.device) * target.shape[2] // width
    return target[:, rows[:, None], columns]
