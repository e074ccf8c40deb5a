"""One linear classifier that every modality's own features are read by: mmFormer's regulariser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.objectives.task import as_buffer, cross_entropy, pixel_cross_entropy
from dmrnet.objectives.term import Step, Term


class EachShown(Term):
    """``L_aux = 1/N sum_n sum_v delta_v CE(W GAP(f_v) + b, y)``, over what is shown.

    The classifier is shared by the modalities, the term's own, and not used at inference.

    Args:
        weight: Its weight; 1 as released.
        modalities: Names in order.
        channels: C of f_v, the last channels of each feature.
        classes: M.
    """

    def __init__(
        self, weight: float, modalities: Sequence[str], channels: int, classes: int
    ) -> None:
        super().__init__("each_shown", weight)
        self.modalities = tuple(modalities)
        self.channels = channels
        self.classifier = nn.Linear(channels, classes)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch."""
        total = step.task.per_sample.new_zeros(())
        for name, column in zip(self.modalities, step.mask.unbind(1), strict=True):
            pooled = step.feats[name][:, -self.channels :].mean((2, 3))
            losses = cross_entropy(self.classifier(pooled), step.batch.target).per_sample
            total = total + torch.where(column, losses, 0.0).sum()
        return total / len(step.mask)


class EachShownPixels(Term):
    """The same for every pixel: a 1x1 convolution on each modality's deepest map.

    Pixels of hidden modalities are left out; the sum is divided as the task loss is. Reads the maps
    from the fusion's extra ``deepest``.

    Args:
        weight: Its weight.
        channels: C of the maps.
        classes: M.
        class_weights: Of each class in the loss; all 1 if None.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        weight: float,
        channels: int,
        classes: int,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__("each_shown", weight)
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch's pixels."""
        total = step.task.per_sample.new_zeros(())
        for own, column in zip(step.fused.extras["deepest"], step.mask.unbind(1), strict=True):
            losses = pixel_cross_entropy(
                self.classifier(own), step.batch.target, self.class_weights
            )
            shown = torch.where(column, losses.per_sample, 0.0)
            total = total + shown.sum() / losses.normaliser
        return total
