"""The experts' own losses, from which alone their encoders learn."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.objectives.term import Step, Term


class ExpertLosses(Term):
    r"""``1/N sum_i sum_v present_iv CE(u_v(x_iv), y_i)``: each expert on every present sample.

    In dense tasks a sample's loss covers its pixels and scales; N is that of the task loss.

    Args:
        weight: Weight of the term.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__("experts", weight)

    def rows(self, step: Step) -> Tensor:
        """Return the modalities of each sample that the term covers, bool ``(B, V)``."""
        return step.batch.present

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch."""
        total = step.task.per_sample.new_zeros(())
        columns = self.rows(step).unbind(1)
        for losses, column in zip(step.unimodal, columns, strict=True):
            total = total + torch.where(column, losses, 0.0).sum()
        return total


class VisibleExpertLosses(ExpertLosses):
    """The same over what the mask shows, where encoders run on nothing else."""

    reads_hidden: ClassVar[bool] = False

    def rows(self, step: Step) -> Tensor:
        """Return the mask."""
        return step.mask
