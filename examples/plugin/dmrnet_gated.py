"""A method for dmrnet, and an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Fused, Fusion, NetworkParts, PooledLinear, feature_shapes, masked_all


class GatedMean(Fusion):
    """Mean of the visible modalities, weighed by a learned gate of each."""

    def __init__(self, shapes: Mapping[str, tuple[int, int, int]], width: int) -> None:
        super().__init__()
        self.modalities = tuple(shapes)
        self.layers = nn.ModuleList(nn.Linear(shape[0], width + 1) for shape in shapes.values())

    def forward(self, feats: Mapping[str, Tensor], mask: Tensor) -> Fused:
        """Fuse maps ``(B, C, H, W)`` under a mask, bool ``(B, V)``."""
        seen = masked_all(feats, self.modalities, mask)
        both = [layer(x.mean((2, 3))) for layer, x in zip(self.layers, seen, strict=True)]
        values, gates = torch.stack(both, 1).tensor_split([-1], 2)
        weights = gates.masked_fill(~mask[:, :, None], -torch.inf).softmax(1)
        return Fused((weights * values).sum(1)[..., None, None])


@dataclass(frozen=True)
class GatedSettings(SFMDSettings):
    """Settings of ``gated``; those of ``sf-md``."""

    name: ClassVar[str] = "gated"
    summary: ClassVar[str] = "mean of the visible modalities, weighed by learned gates"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    def parts(self, task: Task) -> NetworkParts:
        """Return the network's encoders with the fusion above."""
        encoders, width = self.network.build_encoders(task), self.network.width
        fusion = GatedMean(feature_shapes(task, encoders), width)
        return NetworkParts(encoders, fusion, width, PooledLinear(width, len(task.classes)))


class LowPass(nn.Module):
    """Encoder of a vector ``(b, d)`` by its lowest frequencies."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.kept = min(8, modality.shape[0] // 2 + 1)
        self.layers = nn.Sequential(nn.Linear(self.kept, 128), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors ``(b, 128)``."""
        out: Tensor = self.layers(torch.fft.rfft(x).abs()[:, : self.kept])
        return out
