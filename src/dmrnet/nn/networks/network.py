"""The network that every method shares, so that methods differ by what they mean to differ by.

Its settings load no torch: what builds the parts is imported where they are built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, assert_never

from dmrnet.hints import nearest

if TYPE_CHECKING:
    from torch import nn

    from dmrnet.modalities import Task
    from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
    from dmrnet.nn.fusion import ConcatFusion
    from dmrnet.nn.networks.parts import Parts

Family = Literal["generic", "surf", "ogm", "esanet"]
"""A small network for inputs of any shape, or one of the paper's three."""


@dataclass(frozen=True)
class Network:
    """Encoders, fusion and predictor: a small network for inputs of any shape, or the paper's.

    Attributes:
        family: generic (any shapes; images where every pixel has a class), surf (CASIA-SURF's
            benchmark network, images), ogm (two or more ResNets, images and video) or esanet (every
            pixel). What follows up to `stem` is read by the paper's networks, what follows behind
            it by the generic one.
        layout: Of the ResNets: r18, r34, r50, r18-nbt1d or r34-nbt1d; by default r18 for ogm and
            r34-nbt1d for esanet.
        form: What ogm fuses: map (as the paper describes) or vector (as released).
        main: The modality whose stages go on from fused maps in esanet; by default the first.
        pretrained: Start esanet from ImageNet weights, or timm's encoders from those that are
            published of them (needs the network or a cache).
        stem: Channels behind the first convolution; 64 as published, fewer shrink the network.
        width: Channels of every map; where every pixel has a class, of the deepest.
        depth: Blocks of a vector's encoder.
        dropout: In vectors' encoders.
        trunk_depth: Blocks behind the concatenation.
        trunk_kernel: Of the trunk's convolutions: 1, 3 or another odd size.
        grid: Where maps meet: auto (the smallest plane among them; one position with a vector) or
            pooled (one position).
        encoder: For all modalities: auto (by kind), or timm:NAME (images and volumes; timm:NAME@1
            for its second map from the input; images alone, and no @, for every pixel).
        encoders: For single modalities, by name; goes before `encoder`.
    """

    family: Family = "generic"
    layout: Literal["r18", "r34", "r50", "r18-nbt1d", "r34-nbt1d"] | None = None
    form: Literal["map", "vector"] = "map"
    main: str | None = None
    pretrained: bool = False
    stem: int = 64
    width: int = 128
    depth: int = 1
    dropout: float = 0.0
    trunk_depth: int = 1
    trunk_kernel: int = 1
    grid: Literal["auto", "pooled"] = "auto"
    encoder: str = "auto"
    encoders: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("stem", "width", "depth", "trunk_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected network {name} of 1 or more, got {getattr(self, name)}")
        if self.trunk_kernel < 1 or self.trunk_kernel % 2 == 0:
            raise ValueError(f"expected network trunk_kernel odd, got {self.trunk_kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected network dropout in [0, 1), got {self.dropout}")

    def build(self, task: Task) -> Parts:
        """Return everything but the representation.

        Raises:
            ValueError: If the family cannot read the task's modalities, or predict its labels, or
                a setting is none of the family's.
            FileNotFoundError: If published weights are asked for and cannot be had.
        """
        self.check_encoders()
        if self.family == "surf":
            from dmrnet.nn.networks.surf import surf

            return surf(task, self.stem)
        if self.family == "ogm":
            from dmrnet.nn.networks.ogm import ogm

            return ogm(task, self.form, self.layout or "r18", self.stem)
        if self.family == "esanet":
            from dmrnet.nn.networks.esanet import esanet

            layout = self.layout or "r34-nbt1d"
            return esanet(task, layout, self.main, self.stem, self.pretrained)
        if self.family != "generic":
            assert_never(self.family)
        if task.dense:
            return self.build_pixels(task)
        from dmrnet.nn.networks.parts import Parts
        from dmrnet.nn.predictor import PooledLinear

        encoders = self.build_encoders(task)
        fusion = self.build_fusion(feature_shapes(task, encoders))
        return Parts(encoders, fusion, self.width, PooledLinear(self.width, len(task.classes)))

    def check_encoders(self) -> None:
        """Refuse what would go unread: encoders of other families, weights that nobody has."""
        from dmrnet.nn.encoders.timm_models import PREFIX

        own = self.family == "generic"
        if not own and (self.encoder != "auto" or self.encoders):
            raise ValueError(
                f"the {self.family} network has encoders of its own; leave out encoder, or take "
                "the generic network"
            )
        named = (self.encoder, *self.encoders.values())
        if self.pretrained and not (
            self.family == "esanet" or (own and any(name.startswith(PREFIX) for name in named))
        ):
            raise ValueError(
                "pretrained: expected a network with published weights (timm:NAME as encoder, or "
                f"the esanet network); {'small encoders' if own else self.family} start from "
                "random ones"
            )

    def build_pixels(self, task: Task) -> Parts:
        """Return the generic network for every pixel."""
        from dmrnet.nn.networks.pixels import pixels

        streams = self.build_streams(task)
        return pixels(task, self.width, self.trunk_depth, self.trunk_kernel, streams)

    def build_streams(self, task: Task) -> dict[str, MultiLevelEncoder]:
        """Return the generic network's encoders of images for every pixel, in the task's order.

        Raises:
            ValueError: If a modality is no image, or an encoder is unknown or does not fit.
            FileNotFoundError: If published weights cannot be had.
        """
        from dmrnet.nn.encoders.build import build_stream
        from dmrnet.nn.networks.parts import check_kind

        self.check_encoders()
        self._check_named(task)
        for modality in task.inputs:
            check_kind(modality, "generic dense", ("image",))
        return {
            m.name: build_stream(
                m, self.width, self.encoders.get(m.name, self.encoder), self.pretrained
            )
            for m in task.inputs
        }

    def _check_named(self, task: Task) -> None:
        for name in self.encoders:
            if name not in task.modalities:
                raise ValueError(
                    f"an encoder is set for {name!r}, which the data lack; "
                    f"{nearest(name, task.modalities)}"
                )

    def build_encoders(self, task: Task) -> dict[str, nn.Module]:
        """Return one encoder a modality, in the task's order."""
        from dmrnet.nn.encoders.build import build_encoder

        self._check_named(task)
        return {
            modality.name: build_encoder(
                modality,
                self.width,
                self.encoders.get(modality.name, self.encoder),
                self.depth,
                self.dropout,
                self.pretrained,
            )
            for modality in task.inputs
        }

    def build_fusion(self, shapes: Mapping[str, tuple[int, int, int]]) -> ConcatFusion:
        """Return the concatenation of the maps and the trunk behind it."""
        from dmrnet.nn.fusion import ConcatFusion
        from dmrnet.nn.layers.linear_start import trunk

        channels = sum(shape[0] for shape in shapes.values())
        return ConcatFusion(
            shapes, trunk(channels, self.width, self.trunk_depth, self.trunk_kernel), self.grid
        )


def feature_shapes(
    task: Task, encoders: Mapping[str, nn.Module]
) -> dict[str, tuple[int, int, int]]:
    """Return ``(C, H, W)`` of what each encoder gives."""
    from dmrnet.nn.encoders.rows import output_shape

    return {m.name: output_shape(encoders[m.name], m.shape) for m in task.inputs}
