"""RFNet: region-aware fusion (Ding, Yu, Yang, ICCV 2021), for classes and for every pixel.

The masked maps give soft regions p, one a class; in each region a small network weighs the
modalities by what the region holds of them,

``F_r = sum_v w_rv(d_r) p_r delta_v f_v``;

the regions' maps, beside a short cut of the masked maps, go on. Two terms of weight 1 beside the
cross-entropy: the regions' logits should tell the class, and so should every modality by itself,
through one network that all share. The second is over all that a sample has, masked or not, so that
incomplete data will do. With one modality the weights choose nothing. No gradient goes through p,
as in the released code, and the fusion's loss may start late (`fuse_start`; there 20 of 300
epochs).

The paper and its code segment volumes. For every pixel regions are at each level of a family's
network, whose streams do not know each other (four levels, of the generic network or of ESANet
without its interleaving); there the recipes ``paper`` and ``released`` add the Dice loss to each
cross-entropy (`dice`). Departures: images for volumes; batch norm for instance norm; regions do
not read what the decoder made of deeper levels.

No adaptation to classes was released, and its row in the tables cannot be repeated from code. Ours
therefore: regions at the encoders' maps only, before the trunk, and their averaged logits tell the
class of the sample; a region is a class, so that this term is defined (with another number of
regions there is no such term); on maps of one position a region is a soft class.
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
        regions: How many; by default one a class. Another number drops the term of the regions.
        region_weight: Of that term.
        separate_weight: Of each modality by itself.
        fuse_start: The first epoch, counted from 0, in which the fused prediction is learnt.
        dice: Of the Dice loss beside each cross-entropy, where every pixel has a class.
    """

    name: ClassVar[str] = "rfnet"
    summary: ClassVar[str] = "modalities weighed by soft region (Ding et al. 2021)"
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
    dice: float = 0.0

    def build(self, task: Task) -> Method:
        """Put the parts together."""
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.systems.rfnet import RegionFusion, RegionMixing
        from dmrnet.objectives.regions import RegionTerm, Separate
        from dmrnet.objectives.term import TaskTerm

        if self.regions is not None and self.regions < 1:
            raise ValueError(f"expected regions of 1 or more, got {self.regions}")
        if not self.dice >= 0:
            raise ValueError(f"expected dice of 0 or more, got {self.dice}")
        if task.dense or self.network.family == "esanet":
            return self.build_dense(task)
        encoders = self.network.build(task).encoders
        shapes = feature_shapes(task, encoders)
        channels, grid = common_width(shapes, self.name), self.network.fusion_grid(shapes)
        regions = self.regions or len(task.classes)
        mix = RegionMixing(len(shapes), channels, regions, plane=grid != (1, 1))
        rest = self.network.build_tail(task, channels * len(shapes), grid)
        alone = self.network.build_tail(task, channels, grid)
        separate = Separate(
            self.separate_weight, task.modalities, alone.trunk, alone.predictor, grid
        )
        terms: list[Term] = [separate, *self.two_views()]
        if regions == len(task.classes):
            terms.append(RegionTerm(self.region_weight))
        method = self.kind(
            task,
            encoders=encoders,
            fusion=RegionFusion(task.modalities, grid, mix, rest.trunk),
            predictor=rest.predictor,
            representation=self.representation(rest.channels),
            terms=terms,
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
        method.objective.terms[0] = TaskTerm(self.fuse_start)
        return method

    def build_dense(self, task: Task) -> Method:
        """Put the parts for every pixel together."""
        from dmrnet.nn.networks.level_fusion import LevelFusion, ModalityDecoder
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.systems.rfnet import LevelRegions
        from dmrnet.objectives.dice import DiceTerm
        from dmrnet.objectives.regions import PixelRegions, PixelSeparate
        from dmrnet.objectives.term import TaskTerm

        levels = levels_of(self.network, task)
        many, classes = len(task.modalities), len(task.classes)
        regions = self.regions or classes
        meets = [
            LevelRegions(many, before, regions, after)
            for before, after in zip(levels.widths, (*levels.skip_widths, None), strict=True)
        ]
        weights = task.class_weights
        terms: list[Term] = [
            PixelSeparate(
                self.separate_weight,
                task.modalities,
                levels.numbers,
                ModalityDecoder(levels),
                self.dice,
                weights,
            ),
            *self.two_views(),
        ]
        if regions == classes:
            terms.append(PixelRegions(self.region_weight, self.dice, weights))
        if self.dice:
            terms.append(DiceTerm(self.dice, self.fuse_start))
        method = self.kind(
            task,
            encoders=levels.streams,
            fusion=LevelFusion(task.modalities, levels, meets),
            predictor=levels.build_decoder(),
            representation=self.representation(levels.width),
            terms=terms,
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
        method.objective.terms[0] = TaskTerm(self.fuse_start)
        return method
