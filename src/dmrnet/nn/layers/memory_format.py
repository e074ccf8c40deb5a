"""Memory format of maps: channels last, except where a CPU is faster with channels first.

A convolution runs channels last if its input or its kernel is stored so. If the two differ, it
reorders one of them in every call.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MOST_POSITIONS = 25
"""Largest number of positions of a small map. With 256 channels or more, a CPU was measured to be
faster channels first, forward and backward; with fewer channels it was not slower."""


class SmallMaps(nn.Sequential):
    """Layers on maps of few positions and many channels, computed channels first on a CPU.

    The output stays channels first. Only the memory format differs, not the values.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Run the layers on ``(B, C, H, W)``."""
        x = input.contiguous() if input.device.type == "cpu" else input
        for layer in self:
            x = layer(x)
        return x


def small(positions: Sequence[int]) -> bool:
    """Return whether maps ``(H, W)`` are small; see `SmallMaps`.

    >>> small((4, 4)), small((7, 7))
    (True, False)
    """
    return positions[0] * positions[1] <= MOST_POSITIONS


def arrange(module: nn.Module, device: str = "cpu") -> nn.Module:
    """Store the kernels of a module in the memory format of the maps that they read.

    1x1 kernels have both formats at once, so that their input decides.

    Args:
        module: Module to change in place; its values stay the same.
        device: Type of the device that the module will run on.

    Returns:
        The same module.
    """
    channels_first: set[nn.Module] = set()
    if device == "cpu":
        small_maps = (part for part in module.modules() if isinstance(part, SmallMaps))
        channels_first = {inner for part in small_maps for inner in part.modules()}
    for part in module.modules():
        if (
            isinstance(part, nn.Conv2d)
            and part.kernel_size != (1, 1)
            and part not in channels_first
        ):
            part.to(memory_format=torch.channels_last)
    return module
