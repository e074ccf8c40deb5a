"""Hooks of training, for what a method does besides its loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from dmrnet.modalities import Batch
from dmrnet.objectives import Add, EpochStatistics, Step


@dataclass(frozen=True)
class Needs:
    """Requirements of a method before it can be trained.

    Attributes:
        complete: Whether every training sample must have every modality.
        prerequisite: Name of a method to train first on the same data, such as a teacher, or None.
            It is handed to `TrainingHooks.set_teacher`.
    """

    complete: bool = False
    prerequisite: str | None = None


class TrainingHooks:
    """Hooks that training calls, in this order. By default they change nothing.

    Attributes:
        needs: Requirements of the method before training.
    """

    needs: ClassVar[Needs] = Needs()

    learns_from_epochs: ClassVar[bool] = False
    """Whether `on_epoch_end` changes what is learnt: a forgotten `end_epoch` is then warned of."""

    def set_teacher(self, teacher: nn.Module) -> None:
        """Keep the trained method that `needs` names; called before training starts.

        `Frozen` hides it from optimizers, checkpoints and process groups.

        Args:
            teacher: A `Method` in evaluation mode.

        Raises:
            TypeError: Raised by default, since the method names none.
        """
        raise TypeError(f"{type(self).__name__} needs no other method to be trained first")

    def training_mask(self, batch: Batch) -> Tensor:
        """Return the mask of a training step, bool ``(B, V)``; by default the batch's own."""
        assert batch.mask is not None
        return batch.mask

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return modules whose gradients are clipped separately, since they share no parameters.

        By default the norm of all gradients together is clipped.
        """
        return ()

    def on_gradients(self, step: Step) -> None:
        """Change the gradients, after they are reduced over processes and before they are used."""

    def combinations_to_validate(self, epoch: int) -> Tensor | None:
        """Return combinations whose predictions on validation the method wants to see.

        Args:
            epoch: Epoch that ends, counted from 0.

        Returns:
            Bool tensor of shape ``(K, V)``, or None.
        """
        return None

    def on_validation_predictions(self, counts: Tensor) -> None:
        """Receive how often each class was predicted on validation; the same on all processes.

        Args:
            counts: Int64 tensor of shape ``(K, M)``, in the order of `combinations_to_validate`.
        """

    def on_epoch_end(self, statistics: EpochStatistics | None, add: Add | None) -> None:
        """Learn from the statistics of an epoch, as mining does (Eq. 10).

        Args:
            statistics: Statistics of each combination, over all processes; None if the
                combinations are too many to count.
            add: Sums a tensor over processes; None for a single process.
        """

    def fit_on_validation(self, batches: Iterable[Batch]) -> None:
        """Fit parameters on validation samples, before the method is scored on the same samples.

        Called at the end of epochs whose weights are scored, on the method that is scored (a copy
        with averaged weights, if training keeps an average); in the first process alone, in
        evaluation mode, and not in dense tasks.

        Args:
            batches: Validation samples in a random order that is the same each time, with row
                numbers of the present modalities.
        """

    def hard_set(self) -> Tensor | None:
        """Return the hard set, bool ``(2^V,)`` by index j of Eq. 10; None if there is none."""
        return None
