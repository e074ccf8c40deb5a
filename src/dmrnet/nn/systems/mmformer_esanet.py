"""ESANet whose deepest maps meet in transformers: mmFormer for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.resnet_layouts import LayoutName, layout_of
from dmrnet.nn.fusion import Fused
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.esanet.fusion import ESANetFusion
from dmrnet.nn.networks.esanet.streams import FUSIONS
from dmrnet.nn.systems.mmformer import InterFusion, IntraTransformer, Restore


class MMFormerESANetFusion(ESANetFusion):
    """ESANet's streams, of which the last fusion is by attention and not by a sum.

    Args:
        modalities: In the order of mask columns.
        main: The one whose stages go on from fused maps.
        layout: Of every stream.
        width: Channels of the stems.
        embed: Channels of a token; None for as many as the deepest maps have.
        grid: Of the deepest maps: a 32nd of the image.
        heads: Of each attention.
        ratio: Of the networks behind them.
        dropout: In the transformers.
        key_mask: Leave hidden tokens out of the attention.
        restore: See `Restore`.
        position_dropout: Of tokens with their positions.

    Attributes:
        deepest: C of the deepest maps.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        main: str,
        layout: LayoutName,
        width: int,
        embed: int | None,
        grid: tuple[int, int],
        heads: int,
        ratio: int,
        dropout: float,
        key_mask: bool,
        restore: Restore = "sequence",
        position_dropout: float = 0.0,
    ) -> None:
        super().__init__(modalities, main, layout, width)
        self.deepest = layout_of(layout).channels(width)[-1]
        tokens = embed or self.deepest
        self.excite = self.excite[:-1]
        rest = (heads, ratio, dropout)
        self.intra = nn.ModuleList(
            IntraTransformer(self.deepest, tokens, grid, *rest, position_dropout)
            for _ in self.modalities
        )
        self.inter = InterFusion(
            self.modalities, tokens, grid, *rest, key_mask, restore, position_dropout
        )
        self.restore = conv_block(tokens, self.deepest, 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of `ESANetStream.encode` under bool ``(B, V)``.

        Returns:
            As `ESANetFusion`; the extra ``deepest`` holds each modality's deepest map, zeros where
            hidden.
        """
        columns = mask.unbind(1)
        fused = feats[feature_name(self.modalities[self.main], 0)]
        skips: list[Tensor] = []
        for level in range(FUSIONS - 1):
            fused = self.add(level, fused, feats, columns)
            if level:
                skips.append(self.skips[level - 1](fused))
            fused = self.stages[level](fused)
        own = self.hidden(FUSIONS - 1, fused, feats, columns)
        tokens = {
            name: intra(x) for name, intra, x in zip(self.modalities, self.intra, own, strict=True)
        }
        met = self.restore(self.inter(tokens, mask).map)
        return Fused(self.context(met), tuple(skips), {"deepest": tuple(own)})
