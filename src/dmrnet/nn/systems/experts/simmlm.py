"""SimMLM's mixture: logits of experts, weighted by a gating network that sees what is visible."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs, Modality
from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.encoders.build import build_encoder
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, Fusion, masked, masked_all, over_maps
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.systems.experts.unimodal import Expert, PixelExpert


class GateEncoder(nn.Module):
    """The gating network's own small encoder of one modality, pooled to a vector.

    Args:
        modality: The modality that it reads.
        width: Number of channels, K.
    """

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.width = width
        self.encoder = build_encoder(modality, width, depth=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, *shape)`` as ``(B, K, 1, 1)``."""
        encoded: Tensor = self.encoder(x)
        return encoded.mean((2, 3), keepdim=True)


class GatedExpert(Expert):
    """An expert for classes, and what the gating network reads of its modality."""

    def __init__(self, name: str, parts: NetworkParts, gate: GateEncoder) -> None:
        super().__init__(name, parts)
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, *shape)`` to logits and gate features side by side, ``(B, M + K, 1, 1)``."""
        return torch.cat([super().forward(x), self.gate(x)], 1)


class GatedPixelExpert(PixelExpert):
    """An expert for pixels, and what the gating network reads of its modality."""

    def __init__(self, name: str, parts: NetworkParts, classes: int, gate: GateEncoder) -> None:
        super().__init__(name, parts, classes)
        self.gate = gate

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the expert's logits, and gate features ``(B, K, 1, 1)`` as ``MODALITY.gate``."""
        gate = encode_rows(self.gate, x, rows, (self.gate.width, 1, 1))
        return {**super().encode(modality, x, rows), f"{modality}.gate": gate}


class Mixture(Fusion):
    r"""Mixes the visible experts' logits u_v by weights of each class.

    .. math:: z_S = \sum_{v \in S} g_v \odot u_v, \quad
        g = softmax_{v \in S} R([q_1, .., q_V]) \in R^{V \times M}

    with q_v a modality's gate features, zero where hidden, and R two linear layers. The weights of
    a sample are the same for all of its pixels, and for side outputs.

    Args:
        modalities: Names in the order of mask columns.
        classes: Number of classes, M.
        width: Number of gate features of a modality, K.
        stride: Stride of each `GatedPixelExpert`; None for `GatedExpert`.
    """

    def __init__(
        self, modalities: Sequence[str], classes: int, width: int, stride: int | None = None
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.classes = classes
        self.dense = stride is not None
        self.stride = stride or 1
        inputs = len(self.modalities) * width
        self.router = nn.Sequential(
            nn.Linear(inputs, inputs),
            nn.ReLU(),
            nn.Linear(inputs, len(self.modalities) * classes),
        )

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Mix logits ``(B, M, 1, 1)`` or ``(B, M, H, W)`` under bool ``(B, V)``."""
        if not self.dense:
            both = masked_all(feats, self.modalities, mask)
            weights = self.weights([one[:, self.classes :] for one in both], mask)
            return Fused(weighted([one[:, : self.classes] for one in both], weights))
        gates = masked_all(feats, [f"{name}.gate" for name in self.modalities], mask)
        weights = self.weights(gates, mask)
        scales = []
        for level in count():
            # A modality that no sample shows has no side logits.
            keys = {v: feature_name(name, level) for v, name in enumerate(self.modalities)}
            maps = {v: masked(feats[key], mask[:, v]) for v, key in keys.items() if key in feats}
            if not maps:
                break
            scales.append(weighted(list(maps.values()), [weights[v] for v in maps]))
        return Fused(scales[0], tuple(scales[1:]))

    def weights(self, gates: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
        """Return the weights ``(B, M, 1, 1)`` of each modality; over visible ones they add up to 1.

        Args:
            gates: Gate features ``(B, K, 1, 1)`` of each modality, zero where hidden.
            mask: Bool tensor of shape ``(B, V)``.
        """
        scores = self.router(torch.cat(list(gates), 1).flatten(1))
        scores = at_least_float32(scores.view(-1, len(self.modalities), self.classes, 1, 1))
        hidden = ~mask.view(*mask.shape, 1, 1, 1)
        return scores.masked_fill(hidden, -torch.inf).softmax(1).unbind(1)


def weighted(logits: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Return the sum of maps ``(B, M, H, W)``, or of volumes, times weights ``(B, M, 1, 1)``."""
    return torch.stack([u * over_maps(g, u) for u, g in zip(logits, weights, strict=True)]).sum(0)
