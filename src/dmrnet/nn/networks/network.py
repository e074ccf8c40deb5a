"""The network that all methods share, so that they differ only where they mean to.

`Network` holds settings and imports no torch; its methods import what they build.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from dmrnet.hints import nearest
from dmrnet.nn.encoders.resnet_layouts import LayoutName

if TYPE_CHECKING:
    from torch import nn

    from dmrnet.modalities import Task
    from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
    from dmrnet.nn.networks.parts import NetworkParts, Tail

Family = Literal["generic", "surf", "ogm", "esanet"]
"""A small network for inputs of any shape, or one of the paper's three."""

Shapes = Mapping[str, tuple[int, int, int]]
"""Shape ``(C, H, W)`` of each modality's map."""


@dataclass(frozen=True)
class Network:
    """Settings of encoders, fusion and predictor: the generic network, or one of the paper's.

    Attributes:
        family: Family of the network: generic (any shapes; images or volumes for dense prediction),
            surf (CASIA-SURF's benchmark network, for images), ogm (a ResNet for each modality, for
            images and video) or esanet (dense prediction). The paper's networks read the settings
            from `layout` to `stem`, the generic network those from `width` on.
        layout: Layout of the ResNets: r18, r34, r50, r18-nbt1d or r34-nbt1d. By default r18 for ogm
            and r34-nbt1d for esanet.
        form: Form in which ogm fuses modalities: map (as described in the paper) or vector (as
            released).
        main: Modality whose stages continue from fused maps in esanet; by default the first.
        pretrained: Start esanet from ImageNet weights, or timm encoders from their published
            weights (needs a network connection or a cache).
        stem: Number of channels of the first convolution, 64 as published; fewer shrink the
            network.
        width: Number of channels of every map; in dense prediction, of the deepest map.
        depth: Number of blocks of a vector's encoder.
        dropout: Dropout rate in encoders of vectors.
        trunk_depth: Number of blocks after the concatenation.
        trunk_kernel: Kernel size of the trunk's convolutions; odd.
        grid: Grid on which maps are fused: auto (the smallest plane among them; one position with a
            vector) or pooled (one position).
        encoder: Encoder of all modalities: auto (by kind), or timm:NAME for images and volumes
            (timm:NAME@1 for its second inner map). In dense prediction, images only and no @.
        encoders: Encoders of single modalities, by name; they override `encoder`.
        fusion: Fusion: auto (the family's), or the name of one that was given in Python.
    """

    family: Family = "generic"
    layout: LayoutName | None = None
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
    fusion: str = "auto"

    def __post_init__(self) -> None:
        if self.family not in (families := get_args(Family)):
            raise ValueError(
                f"unknown network family {self.family!r}; {nearest(self.family, families)}"
            )
        for name in ("stem", "width", "depth", "trunk_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected network {name} of 1 or more, got {getattr(self, name)}")
        if self.form not in ("map", "vector"):
            raise ValueError(f"expected network form as map or vector, got {self.form!r}")
        if self.trunk_kernel < 1 or self.trunk_kernel % 2 == 0:
            raise ValueError(f"expected network trunk_kernel odd, got {self.trunk_kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected network dropout in [0, 1), got {self.dropout}")

    def build(self, task: Task) -> NetworkParts:
        """Build all parts but the representation.

        Raises:
            ValueError: If the family cannot read the task's modalities or predict its labels, or
                does not have a setting.
            FileNotFoundError: If published weights are not available.
        """
        self.check_encoders()
        own = self.fusion != "auto"
        if own and (self.family != "generic" or task.dense):
            raise ValueError(
                "a fusion of your own is for the generic network and one class per sample; "
                "otherwise write a method: a function from a task to a Method"
            )
        if self.family == "esanet":
            from dmrnet.nn.networks.esanet import esanet

            layout = self.layout or "r34-nbt1d"
            return esanet(task, layout, self.main, self.stem, self.pretrained)
        from dmrnet.nn.concat_fusion import ConcatFusion
        from dmrnet.nn.networks.parts import NetworkParts, check_dense
        from dmrnet.nn.networks.pixels import PixelDecoder, PixelFusion

        if self.family == "generic" and task.dense:
            return NetworkParts(
                self.build_streams(task),
                PixelFusion(
                    task.modalities, self.width, self.trunk_depth, self.trunk_kernel, task.axes
                ),
                self.width,
                PixelDecoder(self.width, len(task.classes), task.axes),
            )
        check_dense(task, self.family, dense=False)
        encoders = self.build_encoders(task)
        shapes = feature_shapes(task, encoders)
        if own:
            from dmrnet.nn.networks.own_fusion import own_fusion
            from dmrnet.nn.predictor import PooledLinear

            mine, width = own_fusion(self.fusion, shapes)
            return NetworkParts(encoders, mine, width, PooledLinear(width, len(task.classes)))
        channels = sum(shape[0] for shape in shapes.values())
        tail = self.build_tail(task, channels, self.fusion_grid(shapes))
        fusion = ConcatFusion(shapes, tail.trunk, self.grid_choice)
        return NetworkParts(encoders, fusion, tail.channels, tail.predictor)

    def check_encoders(self) -> None:
        """Raise a ValueError for encoders or published weights that the family does not have."""
        from dmrnet.nn.encoders.timm_models import PREFIX

        own = self.family == "generic"
        if not own and (self.encoder != "auto" or self.encoders):
            raise ValueError(
                f"the {self.family} network has encoders of its own; leave out encoder, or use the "
                "generic network"
            )
        named = (self.encoder, *self.encoders.values())
        if self.pretrained and not (
            self.family == "esanet" or (own and any(name.startswith(PREFIX) for name in named))
        ):
            raise ValueError(
                "pretrained: expected a network with published weights (timm:NAME as encoder, or "
                f"the esanet network), got {'small encoders' if own else self.family} without any"
            )

    def build_streams(self, task: Task) -> dict[str, MultiLevelEncoder]:
        """Build the generic network's encoders for dense prediction, in the task's order."""
        from dmrnet.nn.encoders.build import build_stream
        from dmrnet.nn.networks.parts import check_kinds

        self.check_encoders()
        self._check_named(task)
        check_kinds(task, "generic dense", ("volume",) if task.axes == 3 else ("image",))
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
                    f"expected encoders of the data's modalities, got one for {name!r}; "
                    f"{nearest(name, task.modalities)}"
                )

    def build_encoders(self, task: Task) -> dict[str, nn.Module]:
        """Build the family's encoders for classification, in the task's order."""
        if self.family == "surf":
            from dmrnet.nn.networks.surf import surf_encoders

            return surf_encoders(task, self.stem)
        if self.family == "ogm":
            from dmrnet.nn.networks.ogm import ogm_encoders

            return ogm_encoders(task, self.layout or "r18", self.stem)
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

    @property
    def grid_choice(self) -> Literal["auto", "pooled"]:
        """Rule by which the family chooses the grid on which maps are fused."""
        if self.family == "ogm":
            return "pooled" if self.form == "vector" else "auto"
        return "auto" if self.family == "surf" else self.grid

    def fusion_grid(self, shapes: Shapes) -> tuple[int, int]:
        """Return the grid on which the family fuses maps of these shapes."""
        from dmrnet.nn.grid import common_grid

        return common_grid(list(shapes.values()), self.grid_choice)

    def build_tail(self, task: Task, channels: int, grid: tuple[int, int] | None = None) -> Tail:
        """Build the family's trunk and classifier for a fused map, on a grid if it is known."""
        from dmrnet.nn.networks.parts import Tail
        from dmrnet.nn.predictor import PooledLinear
        from dmrnet.targets import outputs_of

        outputs = outputs_of(task)
        if self.family == "surf":
            from dmrnet.nn.networks.surf import surf_trunk

            layers: nn.Module = surf_trunk(channels, self.stem, grid)
            return Tail(layers, 8 * self.stem, PooledLinear(8 * self.stem, outputs))
        if self.family == "ogm":
            from torch import nn

            from dmrnet.nn.networks.ogm import ogm_predictor

            return Tail(nn.Identity(), channels, ogm_predictor(channels, outputs))
        from dmrnet.nn.layers.linear_start import trunk

        layers = trunk(channels, self.width, self.trunk_depth, self.trunk_kernel)
        return Tail(layers, self.width, PooledLinear(self.width, outputs))


def feature_shapes(
    task: Task, encoders: Mapping[str, nn.Module]
) -> dict[str, tuple[int, int, int]]:
    """Return the shape ``(C, H, W)`` of each encoder's map, ``(C, D, H, W)`` of dense volumes."""
    from dmrnet.nn.encoders.rows import output_shape

    axes = task.axes or 2
    return {m.name: output_shape(encoders[m.name], m.shape, axes) for m in task.inputs}
