"""The small encoder of images for dense prediction."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.layers.conv_block import conv_block

LEVELS = 4
"""Number of levels, each of which halves the image."""

STRIDE = 1 << LEVELS
NARROWEST = 8
"""Smallest number of channels of a level."""


def level_widths(width: int) -> list[int]:
    """Return the number of channels of each level, doubling up to `width`.

    >>> level_widths(128)
    [16, 32, 64, 128]
    """
    return [min(width, max(width >> (LEVELS - 1 - k), NARROWEST)) for k in range(LEVELS)]


class PixelStream(MultiLevelEncoder):
    """Four levels of two 3x3 blocks, the first of each with stride 2; the deepest has `width`."""

    stride = STRIDE

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.widths = level_widths(width)
        self.levels = nn.ModuleList(
            self.level(before, after)
            for before, after in zip((channels, *self.widths[:-1]), self.widths, strict=True)
        )

    @staticmethod
    def level(before: int, after: int) -> nn.Sequential:
        """Return the module that computes a level's map from the one before."""
        return nn.Sequential(conv_block(before, after, stride=2), conv_block(after, after))

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The levels."""
        return tuple(self.levels)
