"""Mean and variance over the modalities that are shown (HeMIS)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.nn.fusion import Extras
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.level_fusion import LevelMixing

Spread = Literal["population", "sample", "released"]
"""What the squared deviations are divided by: how many modalities are shown; one less; or, as the
released code has it, how many are shown, with the deviations of hidden ones (from 0) among them."""


class Moments(nn.Module):
    r"""Mean and variance over what is shown, side by side.

    .. math:: m = \frac1K \sum_v \delta_v f_v, \quad s^2 = \frac1K \sum_v \delta_v (f_v - m)^2

    With K the number of modalities shown; of one modality the variance is 0. With ``sample`` the
    sum is divided by K - 1 (1 where K is 1), as the paper has it; ``released`` sums over hidden
    modalities too, which adds ``(V - K) / K m^2``.

    Args:
        spread: See `Spread`.
    """

    def __init__(self, spread: Spread = "population") -> None:
        super().__init__()
        if spread not in ("population", "sample", "released"):
            raise ValueError(f"expected spread as population, sample or released, got {spread!r}")
        self.spread = spread

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Map ``(B, V, C, H, W)``, zeros where hidden, and bool ``(B, V)`` to ``(B, 2C, H, W)``."""
        shown = mask.view(*mask.shape, 1, 1, 1)
        k = shown.sum(1)
        mean = maps.sum(1) / k
        squares = (maps - mean.unsqueeze(1)).square()
        if self.spread != "released":
            squares = torch.where(shown, squares, 0.0)
        by = (k - 1).clamp(min=1) if self.spread == "sample" else k
        return torch.cat([mean, squares.sum(1) / by], 1)


class LevelMoments(LevelMixing):
    """A level of a network for every pixel whose maps meet in their moments.

    Args:
        spread: See `Spread`.
        before: C of every map.
        after: C of what a 1x1 block makes of both moments; None for 2 C, without a block.
    """

    def __init__(self, spread: Spread, before: int, after: int | None = None) -> None:
        super().__init__()
        self.channels = after or 2 * before
        self.moments = Moments(spread)
        self.mix = nn.Identity() if after is None else conv_block(2 * before, after, 1)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Return both moments, mixed."""
        return self.mix(self.moments(maps, mask)), {}
