"""How maps stand in memory: channels last, except where a CPU computes faster channels first.

A convolution works channels last if its input or its kernel stands so; one whose two stand
differently reorders one of them every time it runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MOST_POSITIONS = 25
"""Maps of so many positions are small: from 256 channels on a CPU is quicker with them channels
first, forward and backward, and with fewer channels no slower, where it was tried."""


class SmallMaps(nn.Sequential):
    """Layers on maps of few positions and many channels, which stand channels first on a CPU.

    Behind them maps stay so. What is computed is the same; only how it stands in memory differs.
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
    """Let the kernels of a module stand as the maps that they read should, before training.

    1x1 kernels are left as they are: they stand for both, so that their input decides.

    Args:
        module: Is changed in place; its numbers are not.
        device: Its type: where the module will run.

    Returns:
        The same module.
    """
    first: set[nn.Module] = set()
    if device == "cpu":
        small_maps = (part for part in module.modules() if isinstance(part, SmallMaps))
        first = {inside for part in small_maps for inside in part.modules()}
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1) and part not in first:
            part.to(memory_format=torch.channels_last)
    return module
