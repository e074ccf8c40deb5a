"""Layouts of ResNets by name. Imports no torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmrnet.hints import nearest

LayoutName = Literal["r18", "r34", "r50", "r18-nbt1d", "r34-nbt1d"]
"""A ResNet's blocks in each stage and their kind (nbt1d: ESANet's NonBottleneck1D)."""


@dataclass(frozen=True)
class ResNetLayout:
    """The kind of a ResNet's blocks, and their number in each of its four stages.

    Attributes:
        block: Kind of the blocks.
        blocks: Number of blocks of each stage.
        expansion: Output channels of a block as a multiple of its inner channels.
    """

    block: Literal["basic", "bottleneck", "nbt1d"]
    blocks: tuple[int, int, int, int]
    expansion: int = 1

    def channels(self, width: int = 64) -> tuple[int, ...]:
        """Return the number of channels of the stem's map and of each stage's.

        >>> LAYOUTS["r50"].channels()
        (64, 256, 512, 1024, 2048)
        """
        return (width, *(width * self.expansion << stage for stage in range(4)))


LAYOUTS: dict[str, ResNetLayout] = {
    "r18": ResNetLayout("basic", (2, 2, 2, 2)),
    "r34": ResNetLayout("basic", (3, 4, 6, 3)),
    "r50": ResNetLayout("bottleneck", (3, 4, 6, 3), expansion=4),
    "r18-nbt1d": ResNetLayout("nbt1d", (2, 2, 2, 2)),
    "r34-nbt1d": ResNetLayout("nbt1d", (3, 4, 6, 3)),
}


def layout_of(name: str) -> ResNetLayout:
    """Return a layout by name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in LAYOUTS:
        raise ValueError(f"unknown ResNet layout {name!r}; {nearest(name, LAYOUTS)}")
    return LAYOUTS[name]
