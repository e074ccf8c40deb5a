"""The generic network for dense prediction: small encoders and a decoder with skips.

Shaped like a U-Net (Ronneberger et al., MICCAI 2015): each modality's encoder halves its image four
times, the masked maps of every level are concatenated, and a decoder upsamples. All operations are
local, so that an image and its tiles are predicted alike. Volumes have blocks over three axes, a
first level at full size, and instance norms, which see the window that is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities import Inputs
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.pixel_stream import LEVELS, level_widths, stride_of
from dmrnet.nn.fusion import Fused, Fusion, masked_all
from dmrnet.nn.layers.conv_block import conv_block, convolution
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.predictor import Output


class PixelFusion(Fusion):
    """Concatenates the masked maps of each level and mixes them by a 1x1 block.

    The deepest maps, with `width` channels, go through a trunk of `depth` blocks as in
    `ConcatFusion`; the others are the decoder's skips.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        width: int,
        depth: int = 1,
        kernel: int = 1,
        axes: int = 2,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.stride = stride_of(axes)
        *shallow, deepest = level_widths(width)
        number = len(self.modalities)
        self.mix = nn.ModuleList(conv_block(number * c, c, 1, axes=axes) for c in shallow)
        self.trunk = trunk(number * deepest, width, depth, kernel, axes)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of `PixelStream.encode` under bool ``(B, V)``.

        Returns:
            The map ``(B, width, H / 16, W / 16)``, and three skips from 1/2 to 1/8 of the size; of
            volumes an eighth of the size, and skips from 1 to 1/4.
        """

        def concatenated(level: int) -> Tensor:
            names = (feature_name(name, level) for name in self.modalities)
            return torch.cat(masked_all(feats, names, mask), 1)

        skips = tuple(mix(concatenated(level)) for level, mix in enumerate(self.mix))
        return Fused(self.trunk(concatenated(LEVELS - 1)), skips)


class PixelDecoder(nn.Module):
    """Upsamples by 2, concatenates the skip and applies a 3x3 block, at each level.

    Logits are computed at half the image's size and upsampled; of volumes at full size.
    """

    def __init__(self, width: int, classes: int, axes: int = 2) -> None:
        super().__init__()
        self.axes = axes
        widths = level_widths(width)
        self.stages = nn.ModuleList(
            conv_block(deeper + width, width, axes=axes)
            for deeper, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.logits = convolution(axes, widths[0], classes)

    def forward(self, value: Tensor, skips: Sequence[Tensor]) -> Output:
        """Predict every pixel.

        Args:
            value: Representation, the deepest map of `PixelFusion`.
            skips: The other maps, shallow ones first.

        Returns:
            Logits ``(B, M, H, W)`` or ``(B, M, D, H, W)``.
        """
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            value = stage(torch.cat([upsample(value), skip], 1))
        logits = self.logits(value)
        return Output(upsample(logits) if self.axes == 2 else logits)


def upsample(x: Tensor) -> Tensor:
    """Double the size of a map by linear interpolation along each axis of space."""
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return F.interpolate(x, scale_factor=2.0, mode=mode, align_corners=False)
