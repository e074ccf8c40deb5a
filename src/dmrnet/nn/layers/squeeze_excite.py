"""Squeeze-and-excite: every channel weighed by what all channels are on average."""

from __future__ import annotations

from torch import nn
from torchvision.ops import SqueezeExcitation

REDUCTION = 16


def squeeze_excite(channels: int) -> nn.Module:
    """Return ``y = x * sigmoid(W2 relu(W1 mean(x)))``; a map of zeros stays one.

    Source: Hu et al., CVPR 2018. torchvision's; its 1x1 convolutions on a single position are the
    two linear layers, with bias, and start as linear layers do. C / 16 hidden channels.

    Args:
        channels: C of the map ``(B, C, H, W)``.
    """
    module: nn.Module = SqueezeExcitation(channels, max(1, channels // REDUCTION))
    return module
