"""The network that every method shares, so that methods differ by what they mean to differ by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from dmrnet.hints import nearest
from dmrnet.modalities import Task
from dmrnet.nn.encoders import build_encoder
from dmrnet.nn.fusion import ConcatFusion, Grid, trunk
from dmrnet.nn.gather import output_shape


@dataclass(frozen=True)
class Network:
    """Encoders, fusion and trunk for inputs of any shape.

    Attributes:
        width: Channels of every map.
        depth: Blocks of a vector's encoder.
        dropout: In vectors' encoders.
        trunk_depth: Blocks behind the concatenation.
        trunk_kernel: Of the trunk's convolutions: 1, 3 or another odd size.
        grid: Where maps meet: auto (the smallest plane among them; one position with a vector) or
            pooled (one position).
        encoder: For all modalities: auto (by kind) or timm:NAME (images and volumes).
        encoders: For single modalities, by name; goes before `encoder`.
    """

    width: int = 128
    depth: int = 1
    dropout: float = 0.0
    trunk_depth: int = 1
    trunk_kernel: int = 1
    grid: Grid = "auto"
    encoder: str = "auto"
    encoders: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("width", "depth", "trunk_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected network {name} of 1 or more, got {getattr(self, name)}")
        if self.trunk_kernel < 1 or self.trunk_kernel % 2 == 0:
            raise ValueError(f"expected network trunk_kernel odd, got {self.trunk_kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected network dropout in [0, 1), got {self.dropout}")

    def build_encoders(self, task: Task) -> dict[str, nn.Module]:
        """Return one encoder a modality, in the task's order."""
        for name in self.encoders:
            if name not in task.modalities:
                raise ValueError(
                    f"an encoder is set for {name!r}, which the data lack; "
                    f"{nearest(name, task.modalities)}"
                )
        return {
            modality.name: build_encoder(
                modality,
                self.width,
                self.encoders.get(modality.name, self.encoder),
                self.depth,
                self.dropout,
            )
            for modality in task.inputs
        }

    def build_fusion(self, shapes: Mapping[str, tuple[int, int, int]]) -> ConcatFusion:
        """Return the concatenation of the maps and the trunk behind it."""
        channels = sum(shape[0] for shape in shapes.values())
        return ConcatFusion(
            shapes, trunk(channels, self.width, self.trunk_depth, self.trunk_kernel), self.grid
        )


def feature_shapes(
    task: Task, encoders: Mapping[str, nn.Module]
) -> dict[str, tuple[int, int, int]]:
    """Return ``(C, H, W)`` of what each encoder gives."""
    return {m.name: output_shape(encoders[m.name], m.shape) for m in task.inputs}
