"""Communication between the processes of one training; does nothing for a single process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import lightning.pytorch as pl
import torch
from torch import Tensor

from dmrnet.engine.training.steps import GRADIENTS, NotFiniteError, Steps

T = TypeVar("T")


def add_over_ranks(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    total = tensor.clone()
    torch.distributed.all_reduce(total)
    return total


def on_first_rank(
    trainer: pl.Trainer, work: Callable[[], T], otherwise: T, errors: type[Exception]
) -> tuple[T, str]:
    """Return on all processes what the first one returns, and the text of its error if it failed.

    Args:
        trainer: Trainer of the run.
        work: Called in the first process.
        otherwise: Value in its place where it failed.
        errors: Errors of `work` that are returned; others are raised.
    """
    value, failure = otherwise, ""
    if trainer.is_global_zero:
        try:
            value = work()
        except errors as error:
            failure = str(error)
    if trainer.world_size > 1:
        value, failure = trainer.strategy.broadcast((value, failure))
    return value, failure


def check_steps(trainer: pl.Trainer, steps: Steps, now: bool = False) -> None:
    """Check the values of the last steps; a broken one stops all processes with the same message.

    Args:
        trainer: Trainer of the run.
        steps: Steps of this process.
        now: Check them even if they are few.

    Raises:
        NotFiniteError: If a value of any process is not finite.
    """
    if trainer.world_size == 1:
        steps.check(now)
        return
    failure: str | None = None
    try:
        if not steps.check(now):
            return
    except NotFiniteError as error:
        failure = str(error)
    failures: list[str | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(failures, failure)
    if messages := [text for text in failures if text is not None]:
        # Averaged, the gradients are broken everywhere; the loss only where the cause is.
        raise NotFiniteError(min(messages, key=lambda text: GRADIENTS in text))
