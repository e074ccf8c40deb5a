"""ESANet with moments in place of sums: HeMIS for dense prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.encoders.resnet_layouts import LayoutName, layout_of
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.esanet.fusion import ESANetFusion
from dmrnet.nn.systems.hemis import Moments, Spread


class MomentsESANetFusion(ESANetFusion):
    """ESANet's fusion with the streams' mean and variance, and a 1x1 block, in place of each sum.

    HeMIS's paper has no interleaved network; this one is ours, for its row in the tables. See
    `ESANetFusion` for the other arguments.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        main: str,
        layout: LayoutName,
        width: int,
        spread: Spread = "population",
    ) -> None:
        super().__init__(modalities, main, layout, width)
        del self.excite
        self.moments = Moments(spread)
        channels = layout_of(layout).channels(width)
        self.mix = nn.ModuleList(conv_block(2 * c, c, 1) for c in channels)

    def fuse_level(self, level: int, main: Tensor, feats: Inputs, mask: Tensor) -> Tensor:
        """Return the mixed moments of the streams' masked maps at one level."""
        maps = torch.stack(self.masked_maps(level, main, feats, mask), 1)
        fused: Tensor = self.mix[level](self.moments(maps, mask))
        return fused
