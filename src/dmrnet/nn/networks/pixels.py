"""The generic network for every pixel: encoders and a decoder with skips, small and local.

In the shape of a U-Net (Ronneberger et al., MICCAI 2015): each modality's encoder halves its image
four times, the masked maps meet at every level side by side over channels, and a decoder goes back
up. Nothing in it looks at an image as a whole, so that an image and its tiles are predicted alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities import Inputs, Task
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.pixel_stream import LEVELS, STRIDE, PixelStream, level_widths
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.networks.parts import Parts, check_kind
from dmrnet.nn.predictor import Output


class PixelFusion(Fusion):
    """At each level the masked maps side by side over channels, mixed by a 1x1 block.

    The deepest goes through a trunk as `ConcatFusion` has it, and is what is represented; the
    others skip ahead to the decoder.

    Args:
        modalities: In the order of mask columns.
        width: C of the deepest maps.
        depth: Blocks of the trunk.
        kernel: Of the trunk's convolutions.

    Attributes:
        stride: What must divide an image's height and width.
    """

    stride = STRIDE

    def __init__(
        self, modalities: Sequence[str], width: int, depth: int = 1, kernel: int = 1
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        *others, deepest = level_widths(width)
        many = len(self.modalities)
        self.mix = nn.ModuleList(conv_block(many * c, c, 1) for c in others)
        self.trunk = trunk(many * deepest, width, depth, kernel)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of `PixelStream.encode` under bool ``(B, V)``.

        Returns:
            The map ``(B, width, H / 16, W / 16)``, and three skips from 1/2 to 1/8 of the size.
        """
        columns = mask.unbind(1)

        def met(level: int) -> Tensor:
            parts = [
                masked(feats[feature_name(name, level)], column)
                for name, column in zip(self.modalities, columns, strict=True)
            ]
            return torch.cat(parts, 1)

        skips = tuple(mix(met(level)) for level, mix in enumerate(self.mix))
        return Fused(self.trunk(met(LEVELS - 1)), skips)


class PixelDecoder(nn.Module):
    """At each level: doubled, beside the skip, a 3x3 block; logits at half the size, doubled.

    Args:
        width: C of the representation.
        classes: M.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        widths = level_widths(width)
        self.stages = nn.ModuleList(
            conv_block(below + here, here)
            for below, here in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.logits = nn.Conv2d(widths[0], classes, 1)

    def forward(self, value: Tensor, skips: Sequence[Tensor]) -> Output:
        """Predict every pixel.

        Args:
            value: ``(B, C, H / 16, W / 16)``.
            skips: From 1/2 to 1/8 of the image.

        Returns:
            Logits ``(B, M, H, W)``.
        """
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            value = stage(torch.cat([doubled(value), skip], 1))
        return Output(doubled(self.logits(value)))


def doubled(x: Tensor) -> Tensor:
    """Return a map of twice the size, between whose values lines are drawn."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def pixels(
    task: Task,
    width: int,
    depth: int = 1,
    kernel: int = 1,
    streams: Mapping[str, MultiLevelEncoder] | None = None,
) -> Parts:
    """Return the network for any number of images of one size, which 16 must divide.

    Args:
        task: A dense one.
        width: C of the deepest maps; each level above has half as many.
        depth: Blocks of the trunk.
        kernel: Of the trunk's convolutions.
        streams: One a modality, whose maps are those of a `PixelStream`; by default such ones.

    Raises:
        ValueError: If a modality is no image.
    """
    for modality in task.inputs:
        check_kind(modality, "generic dense", ("image",))
    if streams is None:
        streams = {m.name: PixelStream(m.shape[0], width) for m in task.inputs}
    fusion = PixelFusion(task.modalities, width, depth, kernel)
    return Parts(streams, fusion, width, PixelDecoder(width, len(task.classes)))
