"""Decoder of ESANet: from the representation and the skips to the logits of every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.nn.encoders.resnet import NonBottleneck1D
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.esanet.blocks import LearnedUpsample
from dmrnet.nn.predictor import Output


class DecoderStage(nn.Module):
    """3x3 block, residual blocks, upsampling and addition of the skip; with a side output.

    The side output is computed before upsampling. `after` is the number of channels of the output
    and the skip.
    """

    def __init__(self, before: int, after: int, classes: int, blocks: int = 3) -> None:
        super().__init__()
        self.conv = conv_block(before, after, 3)
        self.blocks = nn.Sequential(*(NonBottleneck1D(after, after) for _ in range(blocks)))
        self.side = nn.Conv2d(after, classes, 1)
        self.up = LearnedUpsample(after)

    def forward(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map ``(B, before, H, W)`` to ``(B, after, 2 H, 2 W)`` and, in training, side logits."""
        x = self.blocks(self.conv(x))
        side = self.side(x) if self.training else None
        return self.up(x) + skip, side


class ESANetDecoder(nn.Module):
    """Three stages up to a quarter of the image's size, logits, and two learned upsamplings.

    With C channels of the representation the stages have C, C / 2 and C / 4.
    """

    def __init__(self, channels: int, classes: int, blocks: int = 3) -> None:
        super().__init__()
        widths = (channels, channels // 2, channels // 4)
        self.stages = nn.ModuleList(
            DecoderStage(before, after, classes, blocks)
            for before, after in zip((channels, *widths[:2]), widths, strict=True)
        )
        self.logits = nn.Sequential(
            nn.Conv2d(widths[2], classes, 3, padding=1),
            LearnedUpsample(classes),
            LearnedUpsample(classes),
        )

    def forward(self, value: Tensor, skips: Sequence[Tensor]) -> Output:
        """Predict every pixel.

        Args:
            value: Representation ``(B, C, H / 32, W / 32)``.
            skips: Maps from 1/4 to 1/16 of the image's size, with C / 4, C / 2 and C channels.

        Returns:
            Logits ``(B, M, H, W)`` and, in training, side logits at 1/8, 1/16 and 1/32.
        """
        side = []
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            value, logits = stage(value, skip)
            if logits is not None:
                side.append(logits)
        return Output(self.logits(value), tuple(reversed(side)))
