"""mmFormer: transformers within and between modalities (Zhang et al., MICCAI 2022), for classes.

Behind each encoder its map becomes H W tokens of D channels, with learnt positions, through one
transformer layer of its own; the tokens of what is shown, zeros for the rest, follow one another in
one sequence, with positions, through a layer among all; a linear layer over the sequence brings
V H W tokens back to H W, which are averaged and classified. Beside the cross-entropy every modality
that is shown is classified by itself, by one linear layer for all (weight 1).

It follows the adaptation released with DMRNet that is nearest to the paper (`SURF_Fomer_N`; which
of its four made the tables is not said): one layer each, 8 heads, dropout .1, hidden layers of 8 D,
D = 512 in ``paper`` and ``released``; in ``best`` D is the encoders' width. Hidden tokens take part
in the attention, as released; with `key_mask` nothing attends to them. With one modality both
transformers are of the same tokens.

How V H W tokens become H W again is `restore`: a linear layer over the sequence (the default, and
the adaptation); one over the V tokens of each position, which is what the paper means (``paper``);
or, as the paper's own code for volumes does (``released-seg``), one over V tokens that follow one
another, which packs neighbours of one modality where one position of all is meant.

Departures in ``best``: hidden samples do not reach the batch norm in front of the tokens, where the
adaptation hides maps and normalises their zeros, so that "missing" is not zero there (`hides maps`
in ``released``); tokens with their positions are not dropped (`position_dropout`, .1 in ``paper``
and ``released``).

For every pixel it is ours: both transformers stand among the deepest maps, in place of the last of
ESANet's five sums or of the generic network's deepest concatenation, and a 1x1 convolution
classifies each modality's map. Maps are hidden there whatever `hides` says, and on ESANet the main
modality's tokens know of the others, from which its stages go on. Images may have other sizes than
those of training: positions are drawn between the learnt ones, and `restore` is by position unless
it is packed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.modules.mmformer import MMFormer
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.level_fusion import LevelMixing
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.systems.mmformer import TransformerOptions

Restore = Literal["sequence", "position", "packed"]


@dataclass(frozen=True)
class MMFormerSettings(SFMDSettings):
    """Settings of ``mmformer``.

    Attributes:
        embed: Channels of a token; by default as many as the encoders' maps have.
        heads: Of each attention; they divide the channels of a token.
        ratio: Hidden channels of the networks behind attention, in channels of a token.
        attention_dropout: In the transformers.
        position_dropout: Of tokens with their positions.
        restore: Tokens of all modalities become those of one map by a linear layer over the
            sequence (the default), over each position (the default where every pixel has a class),
            or over tokens that are packed as released.
        hides: Of a hidden modality the tokens between the transformers are zero, or the map in
            front of them (maps).
        key_mask: Leave hidden tokens out of the attention.
        each_weight: Of classifying every modality by itself.
    """

    name: ClassVar[str] = "mmformer"
    summary: ClassVar[str] = "attention within and between modalities (Zhang et al. 2022)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {
            "encodes": "present",
            "embed": 512,
            "restore": "position",
            "position_dropout": 0.1,
        },
        "released": {
            "encodes": "present",
            "embed": 512,
            "hides": "maps",
            "position_dropout": 0.1,
        },
        "released-seg": {
            "encodes": "present",
            "embed": 512,
            "restore": "packed",
            "position_dropout": 0.1,
        },
    }

    embed: int | None = None
    heads: int = 8
    ratio: int = 8
    attention_dropout: float = 0.1
    position_dropout: float = 0.0
    restore: Restore | None = None
    hides: Literal["tokens", "maps"] = "tokens"
    key_mask: bool = False
    each_weight: float = 1.0

    @property
    def kind(self) -> type[MMFormer]:
        """The class that the parts are put into."""
        from dmrnet.methods.modules.mmformer import MMFormer

        return MMFormer

    def build(self, task: Task) -> MMFormer:
        """Put the parts together."""
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.networks.parts import check_dense
        from dmrnet.nn.predictor import PooledLinear
        from dmrnet.nn.systems.mmformer import (
            InterFusion,
            IntraEncoder,
            IntraTransformer,
            MapsInterFusion,
        )
        from dmrnet.objectives.each import EachShown

        if (self.embed is not None and self.embed < 1) or self.ratio < 1:
            raise ValueError(
                f"expected embed and ratio of 1 or more, got {self.embed} and {self.ratio}"
            )
        if self.hides not in ("tokens", "maps"):
            raise ValueError(f"expected hides as tokens or maps, got {self.hides!r}")
        if self.network.family == "esanet":
            return self.build_dense(task, *self.esanet(task))
        if self.network.family == "generic" and task.dense:
            return self.build_dense(task, *self.pixels(task))
        check_dense(task, self.name, dense=False)
        encoders = dict(self.network.build(task).encoders)
        shapes = feature_shapes(task, encoders)
        channels, grid = common_width(shapes, self.name), self.network.fusion_grid(shapes)
        embed = self.embed or channels
        options = self.transformers(self.restore or "sequence")
        intra = {name: IntraTransformer(channels, embed, grid, options) for name in encoders}
        if self.hides == "maps":
            fusion: InterFusion = MapsInterFusion(intra, task.modalities, embed, grid, options)
        else:
            encoders = {name: IntraEncoder(e, intra[name]) for name, e in encoders.items()}
            fusion = InterFusion(task.modalities, embed, grid, options)
        return self.kind(
            task,
            encoders=encoders,
            fusion=fusion,
            predictor=PooledLinear(embed, len(task.classes)),
            representation=self.representation(embed),
            terms=(
                EachShown(self.each_weight, task.modalities, channels, len(task.classes)),
                *self.two_views(),
            ),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )

    def transformers(self, restore: Restore) -> TransformerOptions:
        """Return the options of both kinds of transformers."""
        from dmrnet.nn.systems.mmformer import TransformerOptions

        return TransformerOptions(
            self.heads,
            self.ratio,
            self.attention_dropout,
            self.position_dropout,
            self.key_mask,
            restore,
        )

    @property
    def of_pixels(self) -> Restore:
        """How tokens become a map where images may have other sizes than those of training.

        Raises:
            ValueError: If they cannot.
        """
        if self.restore == "sequence":
            raise ValueError(
                "restore sequence has a weight for every position of the images that are trained "
                "on, but whole images are predicted; use position or packed"
            )
        return self.restore or "position"

    def build_dense(self, task: Task, parts: NetworkParts, channels: int) -> MMFormer:
        """Put parts for every pixel together, of whose fusion a term reads maps of so many C."""
        from dmrnet.objectives.each import EachShownPixels

        return self.kind(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            predictor=parts.predictor,
            representation=self.representation(parts.channels),
            terms=(
                EachShownPixels(self.each_weight, channels, len(task.classes), task.class_weights),
                *self.two_views(),
            ),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )

    def esanet(self, task: Task) -> tuple[NetworkParts, int]:
        """Return ESANet with transformers among its deepest maps, and C of these."""
        # Torchvision is imported only by those who ask for a network made of its blocks.
        from dmrnet.nn.networks.esanet.streams import STRIDE
        from dmrnet.nn.systems.mmformer_esanet import MMFormerESANetFusion

        parts = self.network.build(task)
        _, height, width = task.inputs[0].shape
        fusion = MMFormerESANetFusion(
            task.modalities,
            self.network.main or task.modalities[0],
            self.network.layout or "r34-nbt1d",
            self.network.stem,
            self.embed,
            (height // STRIDE, width // STRIDE),
            self.transformers(self.of_pixels),
        )
        return replace(parts, fusion=fusion), fusion.deepest

    def pixels(self, task: Task) -> tuple[NetworkParts, int]:
        """Return the generic network with transformers among its deepest maps, and C of these."""
        from dmrnet.nn.networks.level_fusion import LevelConcat, LevelFusion
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.mmformer import LevelTransformers

        levels = levels_of(self.network, task)
        *shallow, deepest = levels.widths
        many = len(task.modalities)
        meets: list[LevelMixing] = [
            LevelConcat(many, c, wanted)
            for c, wanted in zip(shallow, levels.skip_widths, strict=True)
        ]
        meets.append(
            LevelTransformers(
                task.modalities,
                deepest,
                self.embed or deepest,
                levels.grid(task),
                self.transformers(self.of_pixels),
            )
        )
        fusion = LevelFusion(task.modalities, levels, meets)
        return NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder()), deepest
