"""Optimizer and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dmrnet.nn.layers.decay import decayed_parameters
from dmrnet.settings.training import Schedule, Training


def build_optimizer(model: nn.Module, training: Training) -> Optimizer:
    """Return the optimizer; weight decay acts on `decayed_parameters` alone."""
    decayed = list(decayed_parameters(model))
    weights = {id(p) for p in decayed}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in weights]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    assert training.lr is not None
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.lr, fused=True)
    if training.optimizer == "amsgrad":
        return torch.optim.Adam(groups, lr=training.lr, amsgrad=True, fused=True)
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.lr, momentum=0.9, nesterov=True, fused=True)
    assert_never(training.optimizer)


def learning_rate(training: Training, steps_per_epoch: int) -> Callable[[int], float]:
    """Return a function from step, counted from 0, to the share of the highest learning rate.

    ``cosine``: linear rise over `warmup`, then half a cosine to 0. ``one-cycle``: a cosine rise
    from 1/25, then a cosine fall to 4e-6. ``constant``: linear rise, then level. The others change
    by epoch, as in the paper's or the released code's experiments; see `by_epoch`.

    >>> settings = Training(max_epochs=10, schedule="cosine", warmup=0.1)
    >>> rate = learning_rate(settings, 10)
    >>> [round(rate(step), 3) for step in (0, 9, 54, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    assert training.max_epochs is not None
    schedule, epochs = training.schedule, training.max_epochs
    steps = epochs * steps_per_epoch
    first = (training.continued_after or [epochs])[0] * steps_per_epoch
    rising = max(1, round(first * training.warmup))

    def share(step: int) -> float:
        rise = min(1.0, (step + 1) / rising)
        fall = min(1.0, max(0.0, (step + 1 - rising) / max(1, steps - rising)))
        if schedule == "constant":
            return rise
        if schedule == "cosine":
            return rise if rise < 1 else (1 + math.cos(math.pi * fall)) / 2
        if schedule == "one-cycle":
            return one_cycle(rise) if rise < 1 else one_cycle(1, fall)
        return by_epoch(schedule, step // steps_per_epoch, epochs)

    return share


def one_cycle(rise: float, fall: float = 0.0) -> float:
    """Return the one-cycle policy's share: from 1/25 to 1 with `rise`, to 4e-6 with `fall`."""
    low, end = 1 / 25, 1 / 25 / 1e4
    if rise < 1:
        return low + (1 - low) * (1 - math.cos(math.pi * rise)) / 2
    return end + (1 - end) * (1 + math.cos(math.pi * fall)) / 2


def by_epoch(schedule: Schedule, epoch: int, epochs: int) -> float:
    """Return the share of the highest learning rate in an epoch, counted from 0.

    * ``casia``: Sec. 4.1 as printed: five epochs of linear warm-up, divided by 16 at 33 and 50.
    * ``casia-released``: as in the released code: 0 for two epochs, four that add a fifth each,
      then full, divided by 10 at 22, 39 and 56 (milestones 16, 33, 50 in a wrapper that adds six).
    * ``audio-visual``: Sec. 4.2: times 0.1 every 70 epochs.
    * ``nyuv2``: as in ESANet and the released segmentation code: one cycle, stepped by epoch,
      rising over a tenth of the epochs.

    * ``poly``: ``(1 - epoch / epochs) ** .9``, as in the released codes of RFNet and mmFormer.

    >>> [by_epoch("casia-released", e, 100) for e in (0, 1, 2, 5, 6, 22)]
    [0.0, 0.0, 0.2, 0.8, 1.0, 0.1]
    """
    if schedule == "casia":
        return min(1.0, (epoch + 1) / 5) / (256 if epoch >= 50 else 16 if epoch >= 33 else 1)
    if schedule == "casia-released":
        if epoch < 6:
            return max(0, epoch - 1) / 5
        return float(f"1e-{(epoch >= 22) + (epoch >= 39) + (epoch >= 56)}")
    if schedule == "audio-visual":
        return float(0.1 ** (epoch // 70))
    if schedule == "nyuv2":
        top = 0.1 * epochs - 1
        rise = epoch / top if top > 0 else 1.0
        return one_cycle(min(1.0, rise), max(0.0, (epoch - top) / (epochs - 1 - top)))
    if schedule == "poly":
        return float((1 - epoch / epochs) ** 0.9)
    raise ValueError(f"{schedule} does not change by epoch")


def build_schedule(optimizer: Optimizer, training: Training, steps_per_epoch: int) -> LambdaLR:
    """Return the schedule; it advances at every training step."""
    return LambdaLR(optimizer, learning_rate(training, steps_per_epoch))
