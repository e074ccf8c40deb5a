"""ESANet whose streams meet in their moments: HeMIS for every pixel."""

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
    """ESANet's interleaved streams, met in their mean and variance in place of a sum.

    At each of the five places the streams' moments are brought back to C by a 1x1 block. Not in
    HeMIS's paper, whose network has no interleaving; ours, for its row in the tables.

    Args:
        modalities: In the order of mask columns.
        main: The one whose stages go on from fused maps.
        layout: Of every stream.
        width: Channels of the stems.
        spread: See `Spread`.
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

    def add(self, level: int, main: Tensor, feats: Inputs, columns: Sequence[Tensor]) -> Tensor:
        """Return the streams' moments at one level, brought back to C."""
        maps = torch.stack(self.hidden(level, main, feats, columns), 1)
        both: Tensor = self.mix[level](self.moments(maps, torch.stack(list(columns), 1)))
        return both
