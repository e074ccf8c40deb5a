"""RFNet's two auxiliary terms: of the regions, and of each modality alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.modalities import take_rows
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.grid import to_grid
from dmrnet.objectives.systems.dice import dice
from dmrnet.objectives.task import (
    as_buffer,
    cross_entropy,
    labelled_size,
    pixel_cross_entropy,
    resized,
)
from dmrnet.objectives.term import Step, Term


class RegionTerm(Term):
    """Cross-entropy of the regions' averaged logits, with one region for each class.

    ``L_prm = 1/N sum_n CE(GAP(PRM logits), y)``; reads the extra ``regions`` of `RegionFusion`.

    Args:
        weight: Weight of the term.
    """

    def __init__(self, weight: float) -> None:
        super().__init__("regions", weight)

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        (logits,) = step.fused.extras["regions"]
        losses = cross_entropy(logits.mean((2, 3)), step.batch.target).per_sample
        return step.batch.weigh(losses).mean()


class PixelRegions(Term):
    """The same for every pixel: the regions of each level should be the classes of its pixels.

    ``L_prm = sum over levels of CE(PRM logits, y)`` with labels resized to each level, plus `dice`
    times the Dice loss of each level. Reads the extra ``regions`` of `LevelFusion`.

    Args:
        weight: Weight of the term.
        dice: Weight of the Dice loss relative to the cross-entropy.
        class_weights: Weight of each class in the cross-entropy; all 1 if None.
    """

    class_weights: Tensor | None

    def __init__(
        self, weight: float, dice: float = 0.0, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__("regions", weight)
        self.dice = dice
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over levels."""
        total = step.task.per_sample.new_zeros(())
        for logits in step.fused.extras["regions"]:
            total = total + pixel_cross_entropy(logits, step.batch.target, self.class_weights).mean
            if self.dice:
                total = total + self.dice * dice(logits, step.batch.target)
        return total


class PixelSeparatePrediction(Term):
    """Prediction of every pixel from each modality alone, by one network that all share.

    ``L_sep = sum_v CE(D(f_v), y)`` over the pixels of samples that have v, masked or not, divided
    by the labelled pixels of the whole batch, at every scale of the decoder; plus `dice` times the
    Dice loss of the finest scale. The network belongs to the term and is not used at inference.

    Args:
        weight: Weight of the term.
        modalities: Names of the modalities in order.
        levels: Levels of each modality's stream that the network reads, shallow levels first.
        alone: Network from these maps to `Output`.
        dice: Weight of the Dice loss relative to the cross-entropy.
        class_weights: Weight of each class in the cross-entropy; all 1 if None.
    """

    reads_hidden: ClassVar[bool] = True
    class_weights: Tensor | None

    def __init__(
        self,
        weight: float,
        modalities: Sequence[str],
        levels: Sequence[int],
        alone: nn.Module,
        dice: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__("separate", weight)
        self.modalities = tuple(modalities)
        self.levels = tuple(levels)
        self.alone = alone
        self.dice = dice
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities."""
        where, labels = step.batch.where, step.batch.target
        assert where is not None
        maps = [
            torch.cat(
                [take_rows(step.feats[feature_name(n, k)], where[n]) for n in self.modalities]
            )
            for k in self.levels
        ]
        targets = [take_rows(labels, where[name]) for name in self.modalities]
        target = torch.cat(targets)
        out = self.alone(maps)
        total = step.task.per_sample.new_zeros(())
        for logits in (out.logits, *out.side):
            losses = pixel_cross_entropy(logits, target, self.class_weights).per_sample
            total = total + losses.sum() / self.normaliser(logits, labels)
        if self.dice:
            logits = out.logits.split([len(own) for own in targets])
            for one, own in zip(logits, targets, strict=True):
                total = total + self.dice * dice(one, own)
        return total

    def normaliser(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the number of labelled pixels of the batch, weighted by class."""
        weight = self.class_weights
        weight = logits.new_ones(logits.shape[1]) if weight is None else weight
        size = labelled_size(resized(labels, *logits.shape[2:]), weight).sum()
        return size.clamp(min=torch.finfo(size.dtype).tiny)


class SeparatePrediction(Term):
    """Prediction from each modality alone, by one network that all share.

    ``L_sep = 1/N sum_n sum_{v in n} CE(D(f_v), y)`` over the modalities that a sample has, masked
    or not. The network belongs to the term and is not used at inference.

    Args:
        weight: Weight of the term.
        modalities: Names of the modalities in order.
        trunk: Trunk that reads one modality's map.
        predictor: Predictor that reads the trunk's map.
        grid: Grid that the maps are brought to.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(
        self,
        weight: float,
        modalities: Sequence[str],
        trunk: nn.Module,
        predictor: nn.Module,
        grid: tuple[int, int],
    ) -> None:
        super().__init__("separate", weight)
        self.modalities = tuple(modalities)
        self.trunk = trunk
        self.predictor = predictor
        self.grid = grid

    def forward(self, step: Step) -> Tensor:
        """Return the sum over samples and their modalities, divided by the batch size."""
        where = step.batch.where
        assert where is not None
        maps = [
            take_rows(to_grid(step.feats[name], self.grid), where[name]) for name in self.modalities
        ]
        target = torch.cat([take_rows(step.batch.target, where[n]) for n in self.modalities])
        logits = self.predictor(self.trunk(torch.cat(maps)), ()).logits
        every = torch.arange(len(step.batch), device=target.device)
        rows = torch.cat([take_rows(every, where[name]) for name in self.modalities])
        losses = step.batch.weigh(cross_entropy(logits, target).per_sample, rows)
        return losses.sum() / len(step.batch)
