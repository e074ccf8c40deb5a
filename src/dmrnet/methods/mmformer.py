"""mmFormer: transformers within and between modalities (Zhang et al., MICCAI 2022).

The map of each encoder becomes H W tokens of D channels, with learnt positions, which go through a
transformer layer of their modality. The tokens of all modalities, zeros for hidden ones, form one
sequence, with positions, which goes through a layer between modalities. A linear layer turns the
V H W tokens back into H W tokens, which are averaged and classified. Besides the cross-entropy each
visible modality is classified by itself, by a linear layer that all share (weight 1).

It follows the adaptation released with DMRNet that is nearest to the paper (`SURF_Fomer_N`; it is
not stated which of its four made the tables): one layer of each kind, 8 heads, dropout .1, hidden
layers of 8 D, D = 512 in ``paper`` and ``released``; in ``best`` D is the encoders' width. Hidden
tokens take part in attention, as released, unless `key_mask` is set. Before the tokens come a batch
norm, a LeakyReLU and a 3x3 convolution in the adaptation and in ``best``, and a 1x1 convolution in
the paper's code (`embedding`, ``paper`` and ``released-seg``); the adaptation approximates the GELU
by a tanh (`gelu`).

`restore` says how V H W tokens become H W: by a linear layer over the sequence (the default, and
the adaptation); by one over the V tokens of each position, as the paper means (``paper``); or, as
in the paper's own code for volumes (``released-seg``), by one over V successive tokens, which
groups neighbours of one modality instead of one position of all modalities.

Departures in ``best``: hidden samples do not reach the batch norm before the tokens; the adaptation
zeros maps and normalises the zeros, so that a missing modality is not zero there (`hides maps` in
``released``). There is no dropout on tokens with their positions (`position_dropout`, .1 in
``released``; the paper's code has none). The other recipes classify every modality that a sample
has, masked or not (`each_over present`): the adaptation's network computes logits of all features,
but its trainer is not released; the paper's trains a decoder on each modality of complete samples.
The positions of both transformers are parameters of their own, as in the adaptation; in the paper's
code the second has those of the first ones.

The dense form is ours: both transformers act on the deepest maps, in place of the last of ESANet's
five sums or of the generic network's deepest concatenation, and a 1x1 convolution classifies each
modality's map. Maps are hidden whatever `hides` says. On ESANet the main modality's tokens come
from fused maps. Images may differ in size from those of training: positions are interpolated, and
`restore` is position or packed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.mmformer import MMFormer
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.systems.mmformer import TransformerOptions


@dataclass(frozen=True)
class MMFormerSettings(SFMDSettings):
    """Settings of ``mmformer``.

    Attributes:
        embed: Number of channels of a token; by default that of the encoders' maps.
        heads: Number of attention heads, which must divide the channels of a token.
        ratio: Hidden channels of a transformer's feed-forward network, as a multiple of a token's.
        attention_dropout: Dropout in the transformers.
        position_dropout: Dropout of tokens with their positions.
        restore: Linear layer from the tokens of all modalities to those of one map: sequence (over
            the whole sequence; the default), position (over each position; the default in dense
            tasks) or packed (over successive tokens, as released).
        hides: What is zero for a hidden modality: tokens (between the transformers) or maps (before
            them).
        key_mask: Whether hidden tokens are left out of attention.
        each_weight: Weight of classifying each modality by itself.
        each_over: Modalities that are classified by themselves: visible ones, or all that are
            present (requires encodes present).
        embedding: Layers before the tokens: block (batch norm, LeakyReLU and a 3x3 convolution, as
            adapted) or conv (a 1x1 convolution, as in the paper's code).
        gelu: Nonlinearity in the transformers: exact, or tanh (its approximation, as adapted).
    """

    name: ClassVar[str] = "mmformer"
    summary: ClassVar[str] = "attention within and between modalities (Zhang et al. 2022)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {
            "encodes": "present",
            "embed": 512,
            "restore": "position",
            "each_over": "present",
            "embedding": "conv",
        },
        "released": {
            "encodes": "present",
            "embed": 512,
            "hides": "maps",
            "position_dropout": 0.1,
            "each_over": "present",
            "gelu": "tanh",
        },
        "released-seg": {
            "encodes": "present",
            "embed": 512,
            "restore": "packed",
            "each_over": "present",
            "embedding": "conv",
        },
    }

    embed: int | None = None
    heads: int = 8
    ratio: int = 8
    attention_dropout: float = 0.1
    position_dropout: float = 0.0
    restore: Literal["sequence", "position", "packed"] | None = None
    hides: Literal["tokens", "maps"] = "tokens"
    key_mask: bool = False
    each_weight: float = 1.0
    each_over: Literal["visible", "present"] = "visible"
    embedding: Literal["block", "conv"] = "block"
    gelu: Literal["exact", "tanh"] = "exact"

    @property
    def version(self) -> int:
        """Number that is raised when the same weights begin to predict something else."""
        return 2

    @property
    def method_class(self) -> type[MMFormer]:
        """Class of the method."""
        from dmrnet.methods.modules.mmformer import MMFormer

        return MMFormer

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.networks.parts import NetworkParts, check_dense
        from dmrnet.nn.predictor import PooledLinear
        from dmrnet.nn.systems.mmformer import (
            InterFusion,
            IntraEncoder,
            IntraTransformer,
            MapsInterFusion,
        )
        from dmrnet.objectives.systems.each import EachPresent, EachShown
        from dmrnet.targets import outputs_of, target_of

        if (self.embed is not None and self.embed < 1) or self.ratio < 1:
            raise ValueError(
                f"expected embed and ratio of 1 or more, got {self.embed} and {self.ratio}"
            )
        if self.hides not in ("tokens", "maps"):
            raise ValueError(f"expected hides as tokens or maps, got {self.hides!r}")
        if self.each_over not in ("visible", "present"):
            raise ValueError(f"expected each_over as visible or present, got {self.each_over!r}")
        if self.network.family == "esanet":
            return self.build_dense(task, *self.esanet_parts(task))
        if self.network.family == "generic" and task.dense:
            return self.build_dense(task, *self.generic_dense_parts(task))
        check_dense(task, self.name, dense=False)
        encoders = dict(self.network.build(task).encoders)
        shapes = feature_shapes(task, encoders)
        channels, grid = common_width(shapes, self.name), self.network.fusion_grid(shapes)
        embed = self.embed or channels
        options = self.transformers()
        intra = {name: IntraTransformer(channels, embed, grid, options) for name in encoders}
        if self.hides == "maps":
            fusion: InterFusion = MapsInterFusion(intra, task.modalities, embed, grid, options)
        else:
            encoders = {name: IntraEncoder(e, intra[name]) for name, e in encoders.items()}
            fusion = InterFusion(task.modalities, embed, grid, options)
        outputs = outputs_of(task)
        parts = NetworkParts(encoders, fusion, embed, PooledLinear(embed, outputs))
        term = EachPresent if self.each_over == "present" else EachShown
        each = term(self.each_weight, task.modalities, channels, outputs, target_of(task))
        return self.assemble(task, parts, (each, *self.mutual_terms(task)))

    def transformers(self, dense: bool = False) -> TransformerOptions:
        """Return the options of both transformers.

        Raises:
            ValueError: If `restore` fits only images of the size of those of training, but dense
                tasks have others.
        """
        from dmrnet.nn.systems.mmformer import TransformerOptions

        if dense and self.restore == "sequence":
            raise ValueError(
                "expected restore as position or packed in a dense task, got 'sequence', which has "
                "a weight for each position of the training images"
            )
        return TransformerOptions(
            self.heads,
            self.ratio,
            self.attention_dropout,
            self.position_dropout,
            self.key_mask,
            self.restore or ("position" if dense else "sequence"),
            self.embedding,
            self.gelu,
        )

    def build_dense(self, task: Task, parts: NetworkParts, level: int, channels: int) -> Method:
        """Return the method for a dense task.

        Args:
            task: Dense task.
            parts: Parts of the network.
            level: Number of the deepest level.
            channels: Number of channels of each modality's map there.
        """
        from dmrnet.nn.encoders.multi_level import feature_name
        from dmrnet.objectives.systems.each import EachPresentPixels, EachShownPixels
        from dmrnet.objectives.task import dice_weight

        term = EachPresentPixels if self.each_over == "present" else EachShownPixels
        maps = [feature_name(name, level) for name in task.modalities]
        weights, dice = task.class_weights, dice_weight(task, self.dice)
        each = term(self.each_weight, maps, channels, len(task.classes), weights, dice)
        return self.assemble(task, parts, (each, *self.mutual_terms(task)))

    def esanet_parts(self, task: Task) -> tuple[NetworkParts, int, int]:
        """Return ESANet with transformers on its deepest maps; their level and channels."""
        # Imports torchvision.
        from dmrnet.nn.networks.esanet.streams import FUSIONS, STRIDE
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
            self.transformers(dense=True),
        )
        return replace(parts, fusion=fusion), FUSIONS - 1, fusion.deepest

    def generic_dense_parts(self, task: Task) -> tuple[NetworkParts, int, int]:
        """Return the generic network with them on its deepest maps; their level and channels."""
        from dmrnet.nn.networks.level_fusion import LevelConcat, LevelFusion
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.mmformer import LevelTransformers

        levels = levels_of(self.network, task)
        *shallow, deepest = levels.widths
        many = len(task.modalities)
        mixings = [
            LevelConcat(many, before, after, levels.axes)
            for before, after in zip(shallow, levels.skip_widths, strict=True)
        ]
        embed, options = self.embed or deepest, self.transformers(dense=True)
        last = LevelTransformers(task.modalities, deepest, embed, levels.grid(task), options)
        fusion = LevelFusion(task.modalities, levels, [*mixings, last])
        parts = NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
        return parts, levels.deepest, deepest
