"""Optimizer and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dmrnet.engine.settings import Schedule, Training


def build_optimizer(model: nn.Module, training: Training) -> Optimizer:
    """Return the optimizer; weight decay acts on weights, not on biases and norms."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.lr, fused=True)
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.lr, momentum=0.9, nesterov=True)
    assert_never(training.optimizer)


def learning_rate(schedule: Schedule, steps: int, warmup: float) -> Callable[[int], float]:
    """Return the share of the highest learning rate at each step, counted from 0.

    Args:
        schedule: ``cosine``: linear rise, then half a cosine to 0; ``one-cycle``: a cosine rise
            over `warmup`, then one down to nearly 0; ``constant``: linear rise, then level.
        steps: Of the whole training.
        warmup: Share of the steps in which it rises.

    >>> rate = learning_rate("cosine", 100, 0.1)
    >>> [round(rate(step), 3) for step in (0, 9, 54, 99)]
    [0.1, 1.0, 0.509, 0.0]
    """
    rising = max(1, round(steps * warmup))

    def share(step: int) -> float:
        done = min(1.0, (step + 1 - rising) / max(1, steps - rising))
        if schedule == "one-cycle":
            if step + 1 < rising:
                return 0.04 + 0.96 * (1 - math.cos(math.pi * (step + 1) / rising)) / 2
            return 1e-5 + (1 - 1e-5) * (1 + math.cos(math.pi * done)) / 2
        if step + 1 < rising:
            return (step + 1) / rising
        if schedule == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        if schedule == "constant":
            return 1.0
        assert_never(schedule)

    return share


def build_schedule(optimizer: Optimizer, training: Training, steps: int) -> LambdaLR:
    """Return the schedule, stepped once a training step."""
    return LambdaLR(optimizer, learning_rate(training.schedule, steps, training.warmup))
