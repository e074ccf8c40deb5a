"""MMANet's method: a student with a teacher, which ranks combinations by their predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Method, StepLoss
from dmrnet.methods.hooks import Needs
from dmrnet.modalities import Batch, from_index
from dmrnet.modalities.combinations import MAX_TABLE, count
from dmrnet.nn.layers.frozen import Frozen
from dmrnet.objectives import Add, EpochStatistics
from dmrnet.objectives.systems.margin_aware import MarginAware
from dmrnet.objectives.systems.modality_aware import ModalityAware
from dmrnet.objectives.systems.weak_combinations import WeakCombinations


class MMANet(Method):
    """A student with a teacher, which ranks combinations by their predictions."""

    needs: ClassVar[Needs] = Needs(prerequisite="full")
    learns_from_epochs: ClassVar[bool] = True

    @property
    def weak(self) -> WeakCombinations:
        """The ranking of combinations."""
        return next(t.weak for t in self.objective.terms if isinstance(t, ModalityAware))

    def set_teacher(self, teacher: nn.Module) -> None:
        """Set the trained teacher.

        Raises:
            ValueError: If it was trained on another task.
        """
        assert isinstance(teacher, Method)
        # The teacher may weigh classes differently in its loss.
        mine, theirs = (replace(m.task, class_weights=None) for m in (self, teacher))
        if theirs != mine:
            raise ValueError(
                f"expected a teacher of {', '.join(self.modalities)} and {len(self.task.classes)} "
                f"classes, got one of {', '.join(teacher.modalities)} and "
                f"{len(teacher.task.classes)}, or names or shapes differ; train a teacher on the "
                "same data"
            )
        for term in self.objective.terms:
            if isinstance(term, MarginAware):
                term.teacher = Frozen(teacher)

    def combinations_to_validate(self, epoch: int) -> Tensor | None:
        """Return the combinations to compare, if validation ranks them in this epoch."""
        weak = self.weak
        return weak.compared() if weak.on == "val" and weak.ranks(epoch) else None

    def on_validation_predictions(self, counts: Tensor) -> None:
        """Count predictions on validation for the ranking."""
        self.weak.on_validation_predictions(counts)

    def training_loss(
        self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None
    ) -> StepLoss:
        """Return the total loss; in training, count predictions for the ranking."""
        loss = super().training_loss(batch, epoch, generator)
        if self.training and self.weak.on == "train":
            self.weak.seen.update(loss.step.mask, loss.step.out.logits)
        return loss

    def on_epoch_end(self, statistics: EpochStatistics | None, add: Add | None) -> None:
        """Rank the combinations."""
        self.weak.end_epoch(add)

    def hard_set(self) -> Tensor | None:
        """Return the weak combinations, bool ``(2^V,)`` by index j of Eq. 10."""
        v = len(self.modalities)
        if v > MAX_TABLE:
            return None
        j = torch.arange(count(v) + 1, device=self.weak.strong.device)
        return self.weak.is_weak(from_index(j, v)) & (j > 0)
