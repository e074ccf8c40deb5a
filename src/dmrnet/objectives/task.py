"""The task loss of each sample: that of its kind of target, or of every pixel's class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Task
from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.predictor import Output
from dmrnet.targets import CLASSES, Target, TaskLoss, cross_entropy

__all__ = [
    "VOID",
    "add_scales",
    "as_buffer",
    "cross_entropy",
    "dice_weight",
    "labelled_size",
    "output_loss",
    "pixel_cross_entropy",
    "resized",
    "sample_dice",
]

VOID = -1
"""Label of a pixel that is ignored."""


def as_buffer(class_weights: Sequence[float] | None) -> Tensor | None:
    """Return class weights as a tensor, for a buffer of a term."""
    return None if class_weights is None else torch.tensor(class_weights)


def pixel_cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    smoothing: float = 0.0,
    dice: float = 0.0,
) -> TaskLoss:
    """Return the cross-entropy over the labelled pixels of each sample, and its Dice loss.

    The normaliser is the sum of the weights of the batch's labelled pixels. A sample's Dice loss
    counts as the mean cross-entropy of its pixels does.

    Args:
        logits: Logits ``(B, M, h, w)``, or ``(B, M, d, h, w)`` of volumes.
        target: Int64 tensor of shape ``(B, H, W)`` or ``(B, D, H, W)``; `VOID` where a pixel has no
            label. It is resized to the size of the logits by nearest neighbours.
        weight: Weight of each class, ``(M,)``; all 1 if None.
        smoothing: Share of the target that is spread over all classes.
        dice: Weight of the Dice loss (`sample_dice`) next to the cross-entropy.

    >>> loss = pixel_cross_entropy(torch.zeros(1, 4, 1, 2), torch.tensor([[[2, -1]]]))
    >>> round(float(loss.mean), 4), float(loss.normaliser)
    (1.3863, 1.0)
    """
    logits = at_least_float32(logits)
    target = resized(target, *logits.shape[2:])
    weight = logits.new_ones(logits.shape[1]) if weight is None else weight.to(logits)
    losses = F.cross_entropy(
        logits, target, weight, ignore_index=VOID, reduction="none", label_smoothing=smoothing
    )
    size = labelled_size(target, weight)
    # A batch without a labelled pixel has a loss of zero, not 0/0.
    normaliser = size.sum().clamp(min=torch.finfo(size.dtype).tiny)
    sums = losses.flatten(1).sum(1)
    if dice:
        sums = sums + dice * sample_dice(logits, target) * size
    return TaskLoss(sums, normaliser, size)


def sample_dice(logits: Tensor, target: Tensor) -> Tensor:
    r"""Return the Dice loss of each sample over its labelled pixels, ``(B,)``.

    .. math:: 1 - \frac1{|C|} \sum_{c \in C} \frac{2 \sum p_c t_c}{\sum p_c + \sum t_c}

    C are the classes that the sample's labels have: for others the numerator is 0, and so is the
    gradient (Milletari et al., 3DV 2016, without squares; as in RFNet, but by sample).

    Args:
        logits: Logits ``(B, M, ...)``.
        target: Int64 ``(B, ...)`` of the same size; `VOID` where a pixel has no label.

    >>> sure = torch.tensor([[[9.0, -9.0], [-9.0, 9.0]]])
    >>> [round(float(sample_dice(sure, torch.tensor([t]))), 3) for t in ([0, 1], [1, 0], [0, -1])]
    [0.0, 1.0, 0.0]
    """
    labelled = (target != VOID).unsqueeze(1)
    p = torch.where(labelled, logits.softmax(1), 0.0).flatten(2)
    t = F.one_hot(target.clamp(min=0), logits.shape[1]).movedim(-1, 1) * labelled
    t = t.flatten(2).to(p)
    sizes = t.sum(2)
    overlap = 2 * (p * t).sum(2) / (p.sum(2) + sizes).clamp(min=torch.finfo(p.dtype).tiny)
    occurring = sizes > 0
    return 1 - (overlap * occurring).sum(1) / occurring.sum(1).clamp(min=1)


def labelled_size(target: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of the weights of each sample's labelled pixels, ``(B,)``.

    Args:
        target: Int64 tensor of shape ``(B, H, W)`` or ``(B, D, H, W)``.
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


def dice_weight(task: Task, dice: float | None) -> float:
    """Return the weight of the Dice loss: 1 for volumes and 0 otherwise, if None.

    Raises:
        ValueError: If it is below 0.
    """
    if dice is not None and not dice >= 0:
        raise ValueError(f"expected dice of 0 or more, got {dice}")
    return (1.0 if task.axes == 3 else 0.0) if dice is None else dice


def output_loss(
    out: Output,
    target: Tensor,
    class_weights: Tensor | None = None,
    smoothing: float = 0.0,
    kind: Target = CLASSES,
    dice: float = 0.0,
) -> TaskLoss:
    """Return the task loss of each sample; in dense tasks side outputs are added to the main one.

    Args:
        out: Outputs ``(B, O)``, or logits ``(B, M, H, W)`` with side outputs.
        target: Encoded targets of `kind`, or int64 ``(B, H, W)``.
        class_weights: Weight of each class in a dense task, ``(M,)``; all 1 if None.
        smoothing: Share of the target that is spread over all classes.
        kind: What is predicted; read where a sample has one prediction.
        dice: Weight of the Dice loss next to the cross-entropy in a dense task.
    """
    if out.logits.dim() == 2:
        return kind.loss(out.logits, target, smoothing)
    return add_scales(
        [
            pixel_cross_entropy(logits, target, class_weights, smoothing, dice)
            for logits in (out.logits, *out.side)
        ]
    )


def resized(target: Tensor, *size: int) -> Tensor:
    """Resize labels ``(B, H, W)`` or ``(B, D, H, W)`` by nearest neighbours."""
    for axis, side in enumerate(size, 1):
        if side != target.shape[axis]:
            at = torch.arange(side, device=target.device) * target.shape[axis] // side
            target = target.index_select(axis, at)
    return target
