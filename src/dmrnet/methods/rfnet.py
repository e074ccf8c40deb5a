"""RFNet: region-aware fusion (Ding, Yu, Yang, ICCV 2021), for classes and for dense tasks.

Soft regions p, one for each class, are computed from the masked maps. In each region a small
network weighs the modalities by the region's descriptor d_r,

``F_r = sum_v w_rv(d_r) p_r delta_v f_v``.

The regions' maps and a shortcut of the masked maps, each through three blocks of convolutions, go
on to the trunk. Two terms of weight 1 are added to the cross-entropy: the regions' logits should
predict the class, and so should each modality alone, by one network that all share. The second
covers all present modalities, masked or not, so that samples need not be complete. As in the
released code no gradient goes through p, and the loss of the fused prediction may start late
(`fuse_start`; there after 20 of 300 epochs).

The paper and its code segment volumes. In dense tasks there are regions at each of four levels, of
the generic network or of ESANet without its interleaving, and the recipes ``paper`` and
``released`` add the Dice loss to each cross-entropy (`dice`). Departures: images instead of
volumes; batch norm instead of instance norm; zeros at the borders of maps instead of reflections;
regions do not read the decoder's maps of deeper levels. Volumes have instance norms, as in the
source; there the Dice loss of the fused prediction is over the batch, here by sample.

No adaptation to classification was released, so its row in the tables cannot be reproduced from
code. Ours has regions at the encoders' maps only, before the trunk, and their averaged logits
predict the class of the sample. That term needs one region for each class; with another number of
regions it is left out. On maps of one position a region is a soft class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class RFNetSettings(SFMDSettings):
    """Settings of ``rfnet``.

    Attributes:
        regions: Number of regions; by default one for each class. With another number the term of
            the regions is left out.
        region_weight: Weight of the term of the regions.
        separate_weight: Weight of the prediction from each modality alone.
        fuse_start: First epoch, counted from 0, with the loss of the fused prediction.
        dice: Weight of the Dice loss relative to each cross-entropy, in dense tasks; by default 1
            for volumes and 0 for images.
    """

    name: ClassVar[str] = "rfnet"
    summary: ClassVar[str] = "modalities weighed by soft region (Ding et al. 2021)"
    needs_classes: ClassVar[bool] = True
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"dice": 1.0},
        "released": {"dice": 1.0},
    }

    encodes: Literal["mask", "present"] = "present"
    regions: int | None = None
    region_weight: float = 1.0
    separate_weight: float = 1.0
    fuse_start: int = 0

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.rfnet import RegionFusion, RegionMixing
        from dmrnet.objectives.systems.regions import RegionTerm, SeparatePrediction

        if self.regions is not None and self.regions < 1:
            raise ValueError(f"expected regions of 1 or more, got {self.regions}")
        if task.dense or self.network.family == "esanet":
            return self.build_dense(task)
        encoders = self.network.build(task).encoders
        shapes = feature_shapes(task, encoders)
        channels, grid = common_width(shapes, self.name), self.network.fusion_grid(shapes)
        regions = self.regions or len(task.classes)
        mix = RegionMixing(len(shapes), channels, regions, plane=grid != (1, 1))
        rest = self.network.build_tail(task, channels * len(shapes), grid)
        single = self.network.build_tail(task, channels, grid)
        separate = SeparatePrediction(
            self.separate_weight, task.modalities, single.trunk, single.predictor, grid
        )
        terms: list[Term] = [separate, *self.mutual_terms(task)]
        if regions == len(task.classes):
            terms.append(RegionTerm(self.region_weight))
        fusion = RegionFusion(task.modalities, grid, mix, rest.trunk)
        parts = NetworkParts(encoders, fusion, rest.channels, rest.predictor)
        return self.with_late_fusion(self.assemble(task, parts, terms))

    def build_dense(self, task: Task) -> Method:
        """Return the method for a dense task."""
        from dmrnet.nn.networks.level_fusion import LevelFusion, ModalityDecoder
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.rfnet import LevelRegions
        from dmrnet.objectives.systems.dice import DiceTerm
        from dmrnet.objectives.systems.regions import PixelRegions, PixelSeparatePrediction
        from dmrnet.objectives.task import dice_weight

        levels = levels_of(self.network, task)
        many, classes = len(task.modalities), len(task.classes)
        regions = self.regions or classes
        mixings = [
            LevelRegions(many, before, regions, after, levels.axes)
            for before, after in zip(levels.widths, (*levels.skip_widths, None), strict=True)
        ]
        weights, dice = task.class_weights, dice_weight(task, self.dice)
        terms: list[Term] = [
            PixelSeparatePrediction(
                self.separate_weight,
                task.modalities,
                levels.numbers,
                ModalityDecoder(levels),
                dice,
                weights,
            ),
            *self.mutual_terms(task),
        ]
        if regions == classes:
            terms.append(PixelRegions(self.region_weight, dice, weights))
        if dice and task.axes == 2:
            terms.append(DiceTerm(dice, self.fuse_start))
        fusion = LevelFusion(task.modalities, levels, mixings)
        parts = NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
        return self.with_late_fusion(self.assemble(task, parts, terms))

    def task_dice(self, task: Task) -> float | None:
        """Return the weight of the Dice loss within the task loss: images have a term of it."""
        return 0.0 if task.axes == 2 else super().task_dice(task)

    def with_late_fusion(self, method: Method) -> Method:
        """Return the method with the loss of the fused prediction from `fuse_start` on."""
        from dmrnet.objectives.term import TaskTerm

        task_term = method.objective.terms[0]
        assert isinstance(task_term, TaskTerm)
        task_term.start_epoch = self.fuse_start
        return method
