"""The small encoder of images and volumes for dense prediction."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.layers.conv_block import conv_block

LEVELS = 4
"""Number of levels, each of which halves the image; of volumes all but the first do."""

STRIDE = 1 << LEVELS
NARROWEST = 8
"""Smallest number of channels of a level."""


def stride_of(axes: int) -> int:
    """Return the number that must divide the sides of images (2 axes) or volumes (3 axes).

    >>> stride_of(2), stride_of(3)
    (16, 8)
    """
    return STRIDE if axes == 2 else STRIDE // 2


def level_widths(width: int) -> list[int]:
    """Return the number of channels of each level, doubling up to `width`.

    >>> level_widths(128)
    [16, 32, 64, 128]
    """
    return [min(width, max(width >> (LEVELS - 1 - k), NARROWEST)) for k in range(LEVELS)]


class PixelStream(MultiLevelEncoder):
    """Four levels of two 3x3 blocks, the first of each with stride 2; the deepest has `width`.

    On volumes blocks are 3x3x3, and the first level keeps the size, so that small structures are
    drawn by it, as in RFNet's encoder.

    Args:
        channels: Number of channels of the images.
        width: Number of channels of the deepest map.
        axes: Number of axes of space: 2 for images, 3 for volumes.
    """

    def __init__(self, channels: int, width: int, axes: int = 2) -> None:
        super().__init__()
        self.axes, self.stride, self.halves_first = axes, stride_of(axes), axes == 2
        self.widths = level_widths(width)
        self.levels = nn.ModuleList(
            self.level(before, after, 1 if axes == 3 and level == 0 else 2, axes)
            for level, (before, after) in enumerate(
                zip((channels, *self.widths[:-1]), self.widths, strict=True)
            )
        )

    @staticmethod
    def level(before: int, after: int, stride: int = 2, axes: int = 2) -> nn.Sequential:
        """Return the module that computes a level's map from the one before."""
        return nn.Sequential(
            conv_block(before, after, stride=stride, axes=axes),
            conv_block(after, after, axes=axes),
        )

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The levels."""
        return tuple(self.levels)
