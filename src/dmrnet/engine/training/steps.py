"""The losses of an epoch's steps, over all processes: sums, and a stop where one is not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor

EVERY = 50
"""Number of steps after which values are checked, as they are at the end of the epoch.

A check synchronises the device. Nothing is saved in between, so that a late one spoils nothing.
"""

MOST_NAMES = 64
"""Number of samples of a batch that a message names."""


GRADIENTS = "the loss is finite, but its gradients are not"
"""The cause where no term is to blame; another process may know more."""


class NotFiniteError(ValueError):
    """The loss or its gradients are infinite or no number."""

    on_all_ranks = True
    """Raised on all ranks; rank 0 reports it."""


class Steps:
    """Collects the values of an epoch's steps without synchronising the device at each.

    Args:
        epoch: Epoch, counted from 0.
        names: Names of the training samples by number; None to use the numbers.
        every: Number of steps between two checks.
    """

    def __init__(self, epoch: int, names: Sequence[str] | None = None, every: int = EVERY) -> None:
        self.epoch, self.names, self.every = epoch, names, every
        self.samples = 0
        self._checked = 0
        self._terms: tuple[str, ...] = ()
        self._sums: Tensor | None = None
        self._values: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._batches: list[Tensor] = []

    def add(self, index: Tensor, values: Mapping[str, Tensor]) -> None:
        """Add the losses of a step.

        Args:
            index: int64 ``(B,)`` numbers of the batch's samples.
            values: Scalars; the same names in every step of the epoch.
        """
        self._terms = tuple(values)
        self._values.extend(values.values())
        self._batches.append(index)
        self.samples += len(index)

    def add_gradients(self, gradients: Iterable[Tensor]) -> None:
        """Add the gradients of that step, or norms of them."""
        self._gradients.append(any_not_finite(list(gradients)))

    def check(self, now: bool = False) -> bool:
        """Check the values that were added since the last check.

        Args:
            now: Check them even if they are fewer than `every` steps.

        Returns:
            Whether they were checked.

        Raises:
            NotFiniteError: If one of them is not finite.
        """
        if not self._batches or (len(self._batches) < self.every and not now):
            return False
        values = torch.stack(self._values).double().view(len(self._batches), len(self._terms))
        broken = (~values.isfinite().all(1) | (torch.stack(self._gradients) > 0)).cpu()
        if bool(broken.any()):
            step = int(broken.nonzero()[0])
            raise NotFiniteError(self._message(step, values[step].cpu()))
        self._sums = values.sum(0) if self._sums is None else self._sums + values.sum(0)
        self._checked += len(self._batches)
        self._values, self._gradients, self._batches = [], [], []
        return True

    def sums(self) -> dict[str, Tensor]:
        """Return the sum of each value over the checked steps, float64 scalars."""
        assert self._sums is not None
        return dict(zip(self._terms, self._sums, strict=True))

    def __len__(self) -> int:
        """Return the number of checked steps."""
        return self._checked

    def _message(self, step: int, values: Tensor) -> str:
        broken = [
            name
            for name, value in zip(self._terms, values.tolist(), strict=True)
            if not abs(value) < torch.inf and name != "loss"
        ]
        if broken:
            what = f"the term {' and the term '.join(broken)} of the loss is not finite"
        elif not bool(values.isfinite().all()):
            what = "the terms of the loss are finite, but their sum is not"
        else:
            what = GRADIENTS
        numbers = self._batches[step].tolist()
        names = [self.names[i] if self.names else str(i) for i in numbers[:MOST_NAMES]]
        more = f" and {len(numbers) - MOST_NAMES} more" if len(numbers) > MOST_NAMES else ""
        return (
            f"training stopped in epoch {self.epoch + 1}, step {self._checked + step + 1}: {what}, "
            f"on training samples {', '.join(names)}{more}; the last checkpoint stays; look at "
            "those samples, or try a lower lr or clip (--lr, --clip)"
        )


def add_over_ranks(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    total = tensor.clone()
    torch.distributed.all_reduce(total)
    return total


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


def any_not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Return a float32 scalar above 0 where any value of any tensor is not finite.

    >>> float(any_not_finite([torch.ones(2), torch.tensor([1.0, torch.inf])]))
    1.0
    """
    if not tensors:
        return torch.zeros(())
    device = tensors[0].device
    broken, one = torch.zeros((), device=device), torch.ones((), device=device)
    # The check of torch's gradient scaler, which also multiplies by one, in place; a norm of every
    # tensor takes five times as long.
    torch._amp_foreach_non_finite_check_and_unscale_(list(tensors), broken, one)
    return broken
