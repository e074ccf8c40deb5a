"""Fusion of ESANet: side streams are added to the main stream's stages under a mask."""

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
    """The main stream's stages interleaved with fusions, then the context module.

    There are five fusions, after the stem and after every stage. In each, every stream's masked map
    goes through its own squeeze-and-excite, and the sum is the input of the next main stage.
    Squeeze-and-excite maps zeros to zeros, so that a hidden stream adds nothing. If the main
    modality is hidden, its stages still run on the maps of the others (and their batch norms see
    these rows), but their output is hidden again: the deepest map then depends on the side streams
    alone, as in the released code.

    Args:
        modalities: Names in the order of mask columns.
        main: Modality whose stages continue from fused maps.
        layout: Layout of every stream.
        width: Number of channels of the stems; the decoder has 8, 4 and 2 times as many.
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
        # The decoder adds the skips to its maps at 1/4, 1/8 and 1/16 of the image's size.
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
        main, skips = self.run_stages(feats, mask)
        return Fused(self.context(self.fuse_level(FUSIONS - 1, main, feats, mask)), skips)

    def run_stages(self, feats: Inputs, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the main stages, and all fusions but the last.

        Returns:
            The main stream's deepest map, and the skips.
        """
        main = feats[feature_name(self.modalities[self.main], 0)]
        skips: list[Tensor] = []
        for level, stage in enumerate(self.stages):
            fused = self.fuse_level(level, main, feats, mask)
            if level:
                skips.append(self.skips[level - 1](fused))
            main = stage(fused)
        return main, tuple(skips)

    def fuse_level(self, level: int, main: Tensor, feats: Inputs, mask: Tensor) -> Tensor:
        """Return the sum of all streams' masked maps at one level, after squeeze-and-excite."""
        parts: list[Tensor] = [
            self.excite[level][v](x)  # type: ignore[index]
            for v, x in enumerate(self.masked_maps(level, main, feats, mask))
        ]
        return sum(parts[1:], start=parts[0])

    def masked_maps(self, level: int, main: Tensor, feats: Inputs, mask: Tensor) -> list[Tensor]:
        """Return each stream's map at one level, zeros where hidden."""
        maps: list[Tensor] = []
        for v, (name, column) in enumerate(zip(self.modalities, mask.unbind(1), strict=True)):
            x = main if v == self.main else feats[feature_name(name, level)]
            if x.shape[2:] != main.shape[2:]:
                raise ValueError(
                    f"modality {name}: expected maps of {tuple(main.shape[2:])} as those of "
                    f"{self.modalities[self.main]}, to which esanet adds them, got "
                    f"{tuple(x.shape[2:])}; resize all images of a sample to one size"
                )
            maps.append(masked(x, column))
        return maps
