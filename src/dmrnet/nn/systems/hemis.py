"""Mean and variance over the visible modalities (HeMIS)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.nn.fusion import Extras, over_maps
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.level_fusion import LevelMixing

Spread = Literal["population", "sample", "released"]
"""Divisor of the squared deviations: the number of visible modalities; that number less one; or, as
in the released code, the number of visible ones, with the deviations of hidden ones in the sum."""


class Moments(nn.Module):
    r"""Concatenated mean and variance over visible modalities.

    .. math:: m = \frac1K \sum_v \delta_v f_v, \quad s^2 = \frac1K \sum_v \delta_v (f_v - m)^2

    with K the number of visible modalities; the variance of one modality is 0. With ``sample`` the
    sum is divided by K - 1 (or 1 if K is 1), as in the paper; ``released`` also sums over hidden
    modalities, which are zeros: it adds ``(V - K) / K m^2`` if K is 2 or more.

    Args:
        spread: Divisor of the variance; see `Spread`.
    """

    def __init__(self, spread: Spread = "population") -> None:
        super().__init__()
        if spread not in ("population", "sample", "released"):
            raise ValueError(f"expected spread as population, sample or released, got {spread!r}")
        self.spread = spread

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Map ``(B, V, C, H, W)``, zeros where hidden, and bool ``(B, V)`` to ``(B, 2C, H, W)``."""
        shown = over_maps(mask, maps)
        k = shown.sum(1)
        mean = maps.sum(1) / k
        squares = (maps - mean.unsqueeze(1)).square()
        counted = (k > 1).unsqueeze(1) if self.spread == "released" else shown
        squares = torch.where(counted, squares, 0.0)
        divisor = (k - 1).clamp(min=1) if self.spread == "sample" else k
        return torch.cat([mean, squares.sum(1) / divisor], 1)


class LevelMoments(LevelMixing):
    """Moments of the maps of one level, mixed by a 1x1 block; without one if `after` is None."""

    def __init__(
        self, spread: Spread, before: int, after: int | None = None, axes: int = 2
    ) -> None:
        super().__init__()
        self.channels = after or 2 * before
        self.moments = Moments(spread)
        block = None if after is None else conv_block(2 * before, after, 1, axes=axes)
        self.mix = block or nn.Identity()

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse the maps."""
        return self.mix(self.moments(maps, mask)), {}
