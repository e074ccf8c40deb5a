"""Encoders f_e of one modality (Eq. 2), chosen by the shape of what they read.

Each maps ``(B, *shape)`` to a map ``(B, C, H, W)``; a vector gives C x 1 x 1, a sequence C x 1 x T.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from dmrnet.modalities import Modality
from dmrnet.nn.encoders.backbone import PREFIX, TimmEncoder
from dmrnet.nn.layers.norm import BatchNorm

SMALLEST_LINE = 12
"""A sequence is strided down to at most so many positions."""

SMALLEST_PLANE = 5
"""An image is strided down to at most so many positions on its longer side."""

NARROWEST = 32
"""Channels of the first blocks; they double up to the encoder's width."""


def strided(size: int, smallest: int) -> int:
    """Return how many strides of 2 bring a size down to `smallest` or less.

    >>> [strided(size, 5) for size in (1, 5, 16, 28)]
    [0, 0, 2, 3]
    """
    return max(0, math.ceil(math.log2(size / smallest)))


def widths(blocks: int, width: int) -> list[int]:
    """Return the channels of each strided block, doubling up to `width`.

    >>> widths(3, 128)
    [32, 64, 128]
    """
    return [min(width, max(width >> (blocks - 1 - k), NARROWEST)) for k in range(blocks)]


class VectorEncoder(nn.Module):
    """Blocks of linear layer, batch norm and ReLU on a vector ``(B, d)``.

    Args:
        size: d.
        width: C of the map.
        depth: How many blocks.
        dropout: After each block.
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
    """Blocks of strided convolution, batch norm and ReLU on ``(B, C, T)``, the last unstrided.

    Args:
        channels: C of the input.
        length: T; the number of blocks follows from it.
        width: C of the map.
    """

    def __init__(self, channels: int, length: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = channels
        for out in widths(max(1, strided(length, SMALLEST_LINE)), width):
            kernel = 3 if layers else 5
            layers += [
                nn.Conv1d(last, out, kernel, stride=2, padding=kernel // 2, bias=False),
                BatchNorm(out),
                nn.ReLU(inplace=True),
            ]
            last = out
        layers += [
            nn.Conv1d(last, width, 3, padding=1, bias=False),
            BatchNorm(width),
            nn.ReLU(inplace=True),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, T)`` as ``(B, width, 1, T')``."""
        encoded: Tensor = self.layers(x)
        return encoded.unsqueeze(2)


class ImageEncoder(nn.Module):
    """Blocks of strided 3x3 convolution, batch norm, ReLU on ``(B, C, H, W)``, the last unstrided.

    Args:
        channels: C of the input.
        height: H of the input.
        breadth: W of the input.
        width: C of the map.
    """

    def __init__(self, channels: int, height: int, breadth: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = channels
        strides = [2] * strided(max(height, breadth), SMALLEST_PLANE)
        for out, stride in zip([*widths(len(strides), width), width], [*strides, 1], strict=True):
            layers += [
                nn.Conv2d(last, out, 3, stride=stride, padding=1, bias=False),
                BatchNorm(out),
                nn.ReLU(inplace=True),
            ]
            last = out
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as ``(B, width, H', W')``."""
        encoded: Tensor = self.layers(x)
        return encoded


class VolumeEncoder(nn.Module):
    """A frame encoder on every frame of ``(B, C, T, H, W)``, averaged over frames.

    Args:
        frame: From ``(b, C, H, W)`` to a map.
    """

    def __init__(self, frame: nn.Module) -> None:
        super().__init__()
        self.frame = frame

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, T, H, W)`` as ``(B, width, H', W')``."""
        maps: Tensor = self.frame(x.transpose(1, 2).flatten(0, 1))
        return maps.reshape(x.shape[0], x.shape[2], *maps.shape[1:]).mean(1)


def build_encoder(
    modality: Modality,
    width: int,
    encoder: str = "auto",
    depth: int = 2,
    dropout: float = 0.0,
    pretrained: bool = False,
) -> nn.Module:
    """Return an encoder for a modality.

    Args:
        modality: What it reads.
        width: C of its map (not for timm, whose backbones have their own).
        encoder: ``auto`` for the one of the modality's kind, or ``timm:NAME`` for images and
            volumes (``timm:NAME@MAP`` for an inner map).
        depth: Blocks of a vector's encoder.
        dropout: In a vector's encoder.
        pretrained: Start a timm backbone from published weights.

    Raises:
        ValueError: If the encoder is unknown or does not fit the modality.
        FileNotFoundError: If published weights cannot be had.
    """
    kind, shape = modality.kind, modality.shape
    if encoder.startswith(PREFIX) and kind in ("image", "volume"):
        # A volume is (C, T, H, W); its frames are images.
        frame: nn.Module = TimmEncoder(
            encoder.removeprefix(PREFIX), (shape[0], *shape[-2:]), pretrained
        )
        return VolumeEncoder(frame) if kind == "volume" else frame
    if encoder != "auto":
        raise ValueError(
            f"modality {modality.name} ({kind} {shape}): expected encoder auto, or timm:NAME for "
            f"an image or a volume, got {encoder!r}; --method.network.encoders.NAME sets one "
            "modality's"
        )
    if kind == "vector":
        return VectorEncoder(shape[0], width, depth, dropout)
    if kind == "sequence":
        return SequenceEncoder(shape[0], shape[1], width)
    if kind == "image":
        return ImageEncoder(shape[0], shape[1], shape[2], width)
    return VolumeEncoder(ImageEncoder(shape[0], shape[2], shape[3], width))
