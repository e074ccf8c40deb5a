"""Small parts of ESANet: convolution block, context module, learnt upsampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.nn.layers.conv_block import conv_block


class PyramidPooling(nn.Module):
    """The context module: the map and its averages over coarse bins, mixed by a 1x1 block.

    Source: the pyramid pooling module of PSPNet (Zhao et al., CVPR 2017) with ESANet's bins. Each
    branch has an equal share of the input's channels and is upsampled by nearest neighbour.
    """

    def __init__(self, before: int, after: int, bins: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.bins = tuple(bins)
        share = before // len(self.bins)
        self.branches = nn.ModuleList(conv_block(before, share, 1) for _ in self.bins)
        self.mix = conv_block(before + share * len(self.bins), after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, before, H, W)`` to ``(B, after, H, W)``."""
        size = x.shape[2:]
        parts = [x]
        for side, branch in zip(self.bins, self.branches, strict=True):
            parts.append(F.interpolate(branch(F.adaptive_avg_pool2d(x, side)), size=size))
        mixed: Tensor = self.mix(torch.cat(parts, 1))
        return mixed


class LearnedUpsample(nn.Module):
    """Doubles a map by nearest neighbour and a depthwise 3x3 convolution.

    Initialised as bilinear interpolation, except for the zero padding at the border.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        line = torch.tensor([0.25, 0.5, 0.25])
        with torch.no_grad():
            self.conv.weight.copy_(torch.outer(line, line))
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C, 2 H, 2 W)``."""
        doubled: Tensor = self.conv(F.interpolate(x, scale_factor=2.0))
        return doubled
