"""Fusion of several levels of maps for dense prediction, by a method's own rule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.fusion import Extras, Fused, Fusion, masked_all
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.networks.levels import Levels
from dmrnet.nn.predictor import Output


class LevelMixing(nn.Module):
    """Base class: how a method fuses the maps of one level.

    Attributes:
        channels: Number of channels of the fused map.
    """

    channels: int

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse maps ``(B, V, C, H, W)``, zeros where hidden, under bool ``(B, V)``.

        Returns:
            Fused map ``(B, channels, H, W)``, and tensors that terms of the loss read, by name.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")


class LevelConcat(LevelMixing):
    """Concatenates maps and mixes them by a 1x1 block; without one if `after` is None."""

    def __init__(
        self, modalities: int, before: int, after: int | None = None, axes: int = 2
    ) -> None:
        super().__init__()
        self.channels = after or modalities * before
        block = None if after is None else conv_block(modalities * before, after, 1, axes=axes)
        self.mix = block or nn.Identity()

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse the maps."""
        return self.mix(maps.flatten(1, 2)), {}


class LevelFusion(Fusion):
    """Mixes the streams' masked maps at each level; the deepest goes through the bottleneck."""

    def __init__(
        self, modalities: Sequence[str], levels: Levels, mixings: Sequence[LevelMixing]
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.numbers = levels.numbers
        self.stride = levels.stride
        self.meets = nn.ModuleList(mixings)
        self.deep = levels.build_bottleneck(mixings[-1].channels)

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the fused levels."""
        names = [feature_name(name, level) for name in self.modalities for level in self.numbers]
        return CachedFeatures({name: feats[name] for name in names})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of every level under bool ``(B, V)``.

        Returns:
            The bottleneck's map, the other levels as skips, and the extras of all levels in order.
        """
        maps: list[Tensor] = []
        extras: dict[str, tuple[Tensor, ...]] = {}
        for level, mixing in zip(self.numbers, self.meets, strict=True):
            names = (feature_name(name, level) for name in self.modalities)
            fused, more = mixing(torch.stack(masked_all(feats, names, mask), 1), mask)
            maps.append(fused)
            for name, tensors in more.items():
                extras[name] = (*extras.get(name, ()), *tensors)
        return Fused(self.deep(maps[-1]), tuple(maps[:-1]), extras)


class ModalityDecoder(nn.Module):
    """A bottleneck and a decoder for the maps of a single modality."""

    def __init__(self, levels: Levels) -> None:
        super().__init__()
        *shallow, deepest = levels.widths
        self.skips = nn.ModuleList(
            nn.Identity() if before == after else conv_block(before, after, 1, axes=levels.axes)
            for before, after in zip(shallow, levels.skip_widths, strict=True)
        )
        self.deep = levels.build_bottleneck(deepest)
        self.decoder = levels.build_decoder()

    def forward(self, maps: Sequence[Tensor]) -> Output:
        """Predict from the maps of every level, shallow ones first."""
        skips = [skip(x) for skip, x in zip(self.skips, maps[:-1], strict=True)]
        out = self.decoder(self.deep(maps[-1]), skips)
        assert isinstance(out, Output)
        return out
