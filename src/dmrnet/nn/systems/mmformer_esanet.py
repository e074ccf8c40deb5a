"""ESANet with transformers on its deepest maps: mmFormer for dense prediction."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.encoders.resnet_layouts import LayoutName, layout_of
from dmrnet.nn.fusion import Fused
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.esanet.fusion import ESANetFusion
from dmrnet.nn.networks.esanet.streams import FUSIONS
from dmrnet.nn.systems.mmformer import InterFusion, IntraTransformer, TransformerOptions


class MMFormerESANetFusion(ESANetFusion):
    """ESANet's fusion with attention in place of the last sum.

    Tokens have `embed` channels, by default as many as the deepest maps, whose size is `grid`. See
    `ESANetFusion` for the other arguments.

    Attributes:
        deepest: Number of channels of the deepest maps.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        main: str,
        layout: LayoutName,
        width: int,
        embed: int | None,
        grid: tuple[int, int],
        options: TransformerOptions,
    ) -> None:
        super().__init__(modalities, main, layout, width)
        self.deepest = layout_of(layout).channels(width)[-1]
        embed = embed or self.deepest
        self.excite = self.excite[:-1]
        self.intra = nn.ModuleList(
            IntraTransformer(self.deepest, embed, grid, options) for _ in self.modalities
        )
        self.inter = InterFusion(self.modalities, embed, grid, options)
        self.restore = conv_block(embed, self.deepest, 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of `ESANetStream.encode` under bool ``(B, V)``.

        Returns:
            As `ESANetFusion`; the extra ``deepest`` holds the main stream's deepest map, which no
            encoder returns.
        """
        main, skips = self.run_stages(feats, mask)
        own = self.masked_maps(FUSIONS - 1, main, feats, mask)
        pairs = zip(self.modalities, self.intra, own, strict=True)
        tokens = {name: intra(x) for name, intra, x in pairs}
        fused = self.restore(self.inter(tokens, mask).map)
        return Fused(self.context(fused), skips, {"deepest": (main,)})
