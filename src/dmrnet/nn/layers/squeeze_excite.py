"""Squeeze-and-excite: channels weighted by a function of their means."""

from __future__ import annotations

from torch import nn
from torchvision.ops import SqueezeExcitation

REDUCTION = 16


def squeeze_excite(channels: int) -> nn.Module:
    """Return ``y = x * sigmoid(W2 relu(W1 mean(x)))``; it maps zeros to zeros.

    Source: Hu et al., CVPR 2018. In torchvision's layer the two linear layers, with bias, are 1x1
    convolutions on a single position, initialised as linear layers are. C / 16 hidden channels.

    Args:
        channels: Number of channels, C, of the map ``(B, C, H, W)``.
    """
    module: nn.Module = SqueezeExcitation(channels, max(1, channels // REDUCTION))
    return module
