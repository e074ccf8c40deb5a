"""mmFormer's regulariser: one linear classifier reads every modality's own features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.objectives.task import as_buffer, pixel_cross_entropy
from dmrnet.objectives.term import Step, Term
from dmrnet.targets import CLASSES, Target


class EachShown(Term):
    """``L_aux = 1/N sum_n sum_v delta_v CE(W GAP(f_v) + b, y)``, over visible modalities.

    All modalities share the classifier, which belongs to the term and is not used at inference.

    Args:
        weight: Weight of the term; 1 as released.
        modalities: Names of the modalities in order.
        channels: C of f_v, the last channels of each feature.
        outputs: Number of outputs, such as one per class.
        kind: What is predicted; its loss stands in place of the cross-entropy.
    """

    def __init__(
        self,
        weight: float,
        modalities: Sequence[str],
        channels: int,
        outputs: int,
        kind: Target = CLASSES,
    ) -> None:
        super().__init__("each_shown", weight)
        self.modalities = tuple(modalities)
        self.channels = channels
        self.kind = kind
        self.classifier = nn.Linear(channels, outputs)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch."""
        total = step.task.per_sample.new_zeros(())
        for name, column in zip(self.modalities, self.rows(step).unbind(1), strict=True):
            pooled = step.feats[name][:, -self.channels :].mean((2, 3))
            losses = self.kind.loss(self.classifier(pooled), step.batch.target).per_sample
            total = total + torch.where(column, step.batch.weigh(losses), 0.0).sum()
        return total / len(step.mask)

    def rows(self, step: Step) -> Tensor:
        """Return bool ``(B, V)``: the modalities of each sample that are classified."""
        return step.mask


class EachPresent(EachShown):
    """The same over all modalities that a sample has, masked or not."""

    reads_hidden: ClassVar[bool] = True

    def rows(self, step: Step) -> Tensor:
        """Return bool ``(B, V)``: the modalities of each sample that are classified."""
        return step.batch.present


class EachShownPixels(Term):
    """The same for every pixel: a 1x1 convolution on each visible modality's deepest map.

    The sum is normalised as the task loss is.

    Args:
        weight: Weight of the term.
        maps: Names of the modalities' deepest maps in order; one that no encoder returns (that of
            ESANet's main stream) is the fusion's extra ``deepest``.
        channels: C of the maps.
        classes: Number of classes.
        class_weights: Weight of each class; all 1 if None.
        dice: Weight of the Dice loss next to each cross-entropy.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        weight: float,
        maps: Sequence[str],
        channels: int,
        classes: int,
        class_weights: Sequence[float] | None = None,
        dice: float = 0.0,
    ) -> None:
        super().__init__("each_shown", weight)
        self.maps, self.dice = tuple(maps), dice
        self.classifier = Pointwise(channels, classes)
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch's pixels."""
        total = step.task.per_sample.new_zeros(())
        for name, column in zip(self.maps, self.rows(step).unbind(1), strict=True):
            own = step.feats[name] if name in step.feats else step.fused.extras["deepest"][0]
            losses = pixel_cross_entropy(
                self.classifier(own), step.batch.target, self.class_weights, dice=self.dice
            )
            counted = torch.where(column, losses.per_sample, 0.0)
            total = total + counted.sum() / losses.normaliser
        return total

    def rows(self, step: Step) -> Tensor:
        """Return bool ``(B, V)``: the modalities of each image that are classified."""
        return step.mask


class EachPresentPixels(EachShownPixels):
    """The same over all modalities that an image has, masked or not."""

    reads_hidden: ClassVar[bool] = True

    def rows(self, step: Step) -> Tensor:
        """Return bool ``(B, V)``: the modalities of each image that are classified."""
        return step.batch.present
