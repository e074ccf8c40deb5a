"""Small encoders f_e of one modality (Eq. 2), one for each kind of input.

Each maps ``(B, *shape)`` to a map ``(B, C, H, W)``: C x 1 x 1 for a vector, C x 1 x T for a
sequence.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.norm import BatchNorm

MOST_STEPS = 12
"""A sequence is strided until its map has at most this number of steps."""

MOST_PIXELS = 5
"""An image is strided until the longer side of its map has at most this number of pixels."""

NARROWEST = 32
"""Smallest number of channels of a strided block; blocks double it up to the encoder's width."""


def strides_to(size: int, target: int) -> int:
    """Return the number of strides of 2 that bring a size to `target` or less.

    >>> [strides_to(size, 5) for size in (1, 5, 16, 28)]
    [0, 0, 2, 3]
    """
    return max(0, math.ceil(math.log2(size / target)))


def widths(blocks: int, width: int) -> list[int]:
    """Return the number of channels of each strided block, doubling up to `width`.

    >>> widths(3, 128)
    [32, 64, 128]
    """
    return [min(width, max(width >> (blocks - 1 - k), NARROWEST)) for k in range(blocks)]


class VectorEncoder(nn.Module):
    """Blocks of linear layer, batch norm and ReLU on a vector.

    Args:
        size: Length of the vector.
        width: Number of channels of the map.
        depth: Number of blocks.
        dropout: Dropout rate after each block.
    """

    def __init__(self, size: int, width: int, depth: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for block in range(depth):
            layers += [
                nn.Linear(width if block else size, width, bias=False),
                BatchNorm(width),
                nn.ReLU(inplace=True),
            ]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, d)`` as ``(B, C, 1, 1)``."""
        encoded: Tensor = self.layers(x)
        return encoded[..., None, None]


class SequenceEncoder(nn.Module):
    """Blocks of strided convolution, batch norm and ReLU on a sequence; the last has stride 1.

    Args:
        channels: Number of channels of the sequence.
        length: Length of the sequence; it determines the number of blocks.
        width: Number of channels of the map.
    """

    def __init__(self, channels: int, length: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        strided = widths(max(1, strides_to(length, MOST_STEPS)), width)
        for number, after in enumerate([*strided, width]):
            kernel, stride = 3 if number else 5, 2 if number < len(strided) else 1
            layers += [
                nn.Conv1d(before, after, kernel, stride, kernel // 2, bias=False),
                BatchNorm(after),
                nn.ReLU(inplace=True),
            ]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, T)`` as ``(B, width, 1, T')``."""
        encoded: Tensor = self.layers(x)
        return encoded.unsqueeze(2)


class ImageEncoder(nn.Module):
    """Blocks of strided 3x3 convolution, batch norm and ReLU on images; the last has stride 1.

    Args:
        channels: Number of channels of the images.
        height: Height of the images.
        breadth: Width of the images.
        width: Number of channels of the map.
    """

    def __init__(self, channels: int, height: int, breadth: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        strided = widths(strides_to(max(height, breadth), MOST_PIXELS), width)
        for number, after in enumerate([*strided, width]):
            layers += conv_block(before, after, stride=2 if number < len(strided) else 1)
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as ``(B, width, H', W')``."""
        encoded: Tensor = self.layers(x)
        return encoded


class VolumeEncoder(nn.Module):
    """An image encoder on every frame of a volume, averaged over frames.

    Args:
        frame: Encoder from ``(b, C, H, W)`` to a map.
    """

    def __init__(self, frame: nn.Module) -> None:
        super().__init__()
        self.frame = frame

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, T, H, W)`` as ``(B, width, H', W')``."""
        maps: Tensor = self.frame(x.transpose(1, 2).flatten(0, 1))
        return maps.reshape(x.shape[0], x.shape[2], *maps.shape[1:]).mean(1)
