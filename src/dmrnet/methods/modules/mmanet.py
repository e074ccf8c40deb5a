"""MMANet's method: a student with a teacher, and a ranking of combinations by predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.methods.base import EpochStatistics, Method, Needs, StepLoss
from dmrnet.modalities import Batch, from_index
from dmrnet.nn.layers.frozen import Frozen
from dmrnet.objectives.distillation import MarginAware, ModalityAware, WeakCombinations


class MMANet(Method):
    """A student with a teacher, and a ranking of combinations by what they predict."""

    needs: ClassVar[Needs] = Needs(prerequisite="full")

    @property
    def weak(self) -> WeakCombinations:
        """What ranks combinations."""
        return next(t.weak for t in self.objective.terms if isinstance(t, ModalityAware))

    def set_teacher(self, prerequisite: Method) -> None:
        """Take in the teacher.

        Raises:
            ValueError: If it is of another task.
        """
        # How classes are weighed in a loss is nothing that a teacher must share.
        mine, theirs = (replace(m.task, class_weights=None) for m in (self, prerequisite))
        if theirs != mine:
            raise ValueError(
                f"the teacher knows {', '.join(prerequisite.modalities)} and "
                f"{len(prerequisite.task.classes)} classes, but the student "
                f"{', '.join(self.modalities)} and {len(self.task.classes)}, or their shapes or "
                "names differ; train a teacher on the same data"
            )
        for term in self.objective.terms:
            if isinstance(term, MarginAware):
                term.teacher = Frozen(prerequisite)

    def combinations_to_validate(self, epoch: int) -> Tensor | None:
        """Return the combinations that are compared, where validation ranks them."""
        weak = self.weak
        return weak.asked() if weak.on == "val" and weak.ranks(epoch) else None

    def on_validation_predictions(self, predicted: Tensor) -> None:
        """Count predictions on validation for the ranking."""
        self.weak.on_validation_predictions(predicted)

    def training_loss(
        self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None
    ) -> StepLoss:
        """Return the total loss; in training, predictions are counted for the ranking."""
        loss = super().training_loss(batch, epoch, generator)
        if self.training and self.weak.on == "train":
            self.weak.seen.update(loss.step.mask, loss.step.out.logits)
        return loss

    def end_epoch(self, add: Callable[[Tensor], Tensor] | None = None) -> EpochStatistics | None:
        """Close an epoch: rank combinations, then as every method."""
        if add is not None and self.weak.on == "train":
            self.weak.seen.reduce(add)
        self.weak.end_epoch()
        return super().end_epoch(add)

    def hard(self) -> Tensor:
        """Return bool ``(2^V,)``: the weak combinations by index j."""
        none = super().hard()
        j = torch.arange(len(none), device=none.device)
        weak = self.weak.is_weak(from_index(j, len(self.modalities)))
        return weak & (j > 0)
