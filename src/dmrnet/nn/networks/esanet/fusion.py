"""Fusion of ESANet: the main stream's stages, into which side streams are added under a mask."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.modalities.names import position
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.resnet import resnet_stages
from dmrnet.nn.encoders.resnet_layouts import LayoutName, layout_of
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.squeeze_excite import squeeze_excite
from dmrnet.nn.networks.esanet.blocks import PyramidPooling
from dmrnet.nn.networks.esanet.streams import FUSIONS, STRIDE


class ESANetFusion(Fusion):
    """Main stages interleaved with fusions, then the context module.

    At each of five places, behind the stem and behind every stage, each stream's map is hidden
    where the mask says so, goes through a squeeze-and-excite of its own, and all are added; the
    next main stage reads the sum. Squeeze-and-excite of zeros is zeros, so that a hidden stream
    adds nothing. Where the main modality is hidden its stages still run, on what the others gave
    (their batch norms see these rows), but what they give is hidden again: the deepest map is then
    made from the side streams alone, as in the released code.

    Args:
        modalities: In the order of mask columns.
        main: The one whose stages go on from fused maps.
        layout: Of every stream.
        width: Channels of the stems; the decoder's are 8, 4 and 2 times as many.

    Attributes:
        stride: What must divide an image's height and width.
    """

    stride = STRIDE

    def __init__(
        self,
        modalities: Sequence[str],
        main: str,
        layout: LayoutName = "r34-nbt1d",
        width: int = 64,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.main = position(main, self.modalities)
        shape = layout_of(layout)
        channels = shape.channels(width)
        self.stages = resnet_stages(shape, width=width)
        self.excite = nn.ModuleList(
            nn.ModuleList(squeeze_excite(c) for _ in self.modalities) for c in channels
        )
        # The decoder adds skips to its maps: 1/4, 1/8 and 1/16 of the image, in this order.
        self.skips = nn.ModuleList(
            nn.Identity() if c == wanted else conv_block(c, wanted, 1)
            for c, wanted in zip(channels[1:4], (2 * width, 4 * width, 8 * width), strict=True)
        )
        self.context = PyramidPooling(channels[4], 8 * width)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of `ESANetStream.encode` under bool ``(B, V)``.

        Returns:
            The context module's map ``(B, 8 * width, H / 32, W / 32)``, and three skips from
            1/4 to 1/16 of the image's size.
        """
        columns = mask.unbind(1)
        fused = feats[feature_name(self.modalities[self.main], 0)]
        skips = []
        for level in range(FUSIONS):
            if level:
                fused = self.stages[level - 1](fused)
            fused = self.add(level, fused, feats, columns)
            if level in (1, 2, 3):
                skips.append(self.skips[level - 1](fused))
        return Fused(self.context(fused), tuple(skips))

    def add(self, level: int, main: Tensor, feats: Inputs, columns: Sequence[Tensor]) -> Tensor:
        """Return the sum of all streams at one level, each hidden, squeezed and excited."""
        parts: list[Tensor] = [
            self.excite[level][v](hidden)  # type: ignore[index]
            for v, hidden in enumerate(self.hidden(level, main, feats, columns))
        ]
        return sum(parts[1:], start=parts[0])

    def hidden(
        self, level: int, main: Tensor, feats: Inputs, columns: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return each stream's map at one level, zeros where the mask hides it."""
        parts: list[Tensor] = []
        for v, name in enumerate(self.modalities):
            feature = main if v == self.main else feats[feature_name(name, level)]
            if feature.shape[2:] != main.shape[2:]:
                raise ValueError(
                    f"modality {name} has maps of {tuple(feature.shape[2:])} where modality "
                    f"{self.modalities[self.main]} has {tuple(main.shape[2:])}; esanet adds them, "
                    "so that all images of a sample must have one size: resize them"
                )
            parts.append(masked(feature, columns[v]))
        return parts
