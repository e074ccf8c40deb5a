"""The streams of ESANet that see nothing of the mask: what is encoded once and cached."""

from __future__ import annotations

from torch import Tensor, nn

from dmrnet.nn.encoders.resnet import layout_of, resnet_stages, resnet_stem
from dmrnet.nn.layers.gather import ManyMaps, check_divides, encode_rows
from dmrnet.nn.layers.gather import feature_name as feature_name
from dmrnet.nn.networks.parts import LayoutName

STRIDE = 32
"""From image to deepest map; every map in between must be halved without a rest."""

FUSIONS = 5
"""Streams meet behind the stem and behind each of four stages."""


class Stream(ManyMaps):
    """A ResNet that hands out the map behind its stem and behind every stage.

    A side stream has all four stages, since it is never changed by the others. Of the main stream
    only the stem is here: its stages go on from fused maps and stand in `ESANetFusion`.

    Args:
        channels: C of the image.
        layout: Of the ResNet.
        stages: 4 for a side stream, 0 for the main one.
        width: Channels of the stem.
    """

    def __init__(
        self, channels: int, layout: LayoutName = "r34-nbt1d", stages: int = 4, width: int = 64
    ) -> None:
        super().__init__()
        shape = layout_of(layout)
        self.channels = shape.channels(width)[: stages + 1]
        self.stem = resnet_stem(channels, width)
        self.stages = resnet_stages(shape, stages, width)

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """What makes each level's map of the one before: the stem, then the stages."""
        return (self.stem, *self.stages)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as the deepest map alone; `encode` gives them all."""
        return self.encode("", x)[feature_name("", len(self.stages))]

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return every map, under flat names: level k is ``(B, C_k, H / 2^(k+1), W / 2^(k+1))``.

        Args:
            modality: Goes into the names.
            x: ``(B, C, H, W)``, any H and W that 32 divides.
            rows: int64, the rows to encode, the others come out as zeros; None for every row.

        Raises:
            ValueError: If 32 does not divide H and W.
        """
        check_divides(modality, x, STRIDE)
        height, width = x.shape[-2:]
        maps = {}
        for level, (part, channels) in enumerate(zip(self.parts, self.channels, strict=True)):
            height, width = height // 2, width // 2
            x = encode_rows(part, x, rows, (channels, height, width))
            maps[feature_name(modality, level)] = x
        return maps
