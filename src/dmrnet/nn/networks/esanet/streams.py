"""The streams of ESANet that do not depend on the mask: encoded once and cached."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.resnet import resnet_stages, resnet_stem
from dmrnet.nn.encoders.resnet_layouts import LayoutName, layout_of

STRIDE = 32
"""Ratio of the sizes of the image and the deepest map; it must divide the image's size."""

FUSIONS = 5
"""Number of fusions: after the stem and after each of four stages."""


class ESANetStream(MultiLevelEncoder):
    """A ResNet that returns the map after its stem and after every stage.

    A side stream has all four stages, since other streams never change it. The main stream has
    only the stem; its stages continue from fused maps and are part of `ESANetFusion`.

    Args:
        channels: Number of channels of the images.
        layout: Layout of the ResNet.
        stages: Number of stages: 4 for a side stream, 0 for the main stream.
        width: Number of channels of the stem.
    """

    stride = STRIDE

    def __init__(
        self, channels: int, layout: LayoutName = "r34-nbt1d", stages: int = 4, width: int = 64
    ) -> None:
        super().__init__()
        shape = layout_of(layout)
        self.widths = shape.channels(width)[: stages + 1]
        self.stem = resnet_stem(channels, width)
        self.stages = resnet_stages(shape, stages, width)

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that compute each level's map from the one before: the stem, then the stages."""
        return (self.stem, *self.stages)
