"""A family's network for every pixel, taken apart by level, for methods that fuse in their own way.

Each modality has a stream of its own that no other changes; at every level the streams' masked maps
meet by a rule of the method's. So both the generic network and ESANet can be asked for; ESANet's
interleaving, where the main stream goes on from sums, is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.pixel_stream import STRIDE, level_widths
from dmrnet.nn.encoders.resnet_layouts import layout_of
from dmrnet.nn.fusion import Extras, Fused, Fusion, masked
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.networks.network import Network
from dmrnet.nn.networks.parts import check_dense, check_kind
from dmrnet.nn.networks.pixels import PixelDecoder
from dmrnet.nn.predictor import Output


@dataclass(frozen=True)
class Levels:
    """What a family gives for every pixel, around the fusion.

    Attributes:
        streams: One a modality, in the task's order; all have the same levels.
        names: The levels that meet, shallow ones first, as `feature_name` counts them.
        channels: C of each stream's map at these levels.
        every: C of each stream's map at every level that it has, those that do not meet included.
        skips: C that the decoder reads of each but the deepest.
        deep: From C of what meets at the deepest level to what is made of it.
        width: C of that.
        decoder: Makes a decoder; called once for each that is needed.
        stride: What must divide an image's height and width.
    """

    streams: Mapping[str, MultiLevelEncoder]
    names: tuple[int, ...]
    channels: tuple[int, ...]
    every: tuple[int, ...]
    skips: tuple[int, ...]
    deep: Callable[[int], nn.Module]
    width: int
    decoder: Callable[[], nn.Module]
    stride: int

    @property
    def deepest(self) -> int:
        """The number of the deepest level."""
        return self.names[-1]

    def grid(self, task: Task) -> tuple[int, int]:
        """Return H x W of the deepest maps of a task's images."""
        _, height, width = task.inputs[0].shape
        return height // self.stride, width // self.stride


def levels_of(network: Network, task: Task) -> Levels:
    """Return a family's streams, deepest part and decoder for a dense task.

    Raises:
        ValueError: If the family does not predict pixels, the task has no pixels' labels, or a
            modality is no image.
    """
    network.check_encoders()
    classes = len(task.classes)
    if network.family == "esanet":
        return _esanet(network, task)
    check_dense(task, network.family, dense=network.family == "generic")
    widths = level_widths(network.width)
    return Levels(
        streams=network.build_streams(task),
        names=tuple(range(len(widths))),
        channels=tuple(widths),
        every=tuple(widths),
        skips=tuple(widths[:-1]),
        deep=lambda c: trunk(c, network.width, network.trunk_depth, network.trunk_kernel),
        width=network.width,
        decoder=lambda: PixelDecoder(network.width, classes),
        stride=STRIDE,
    )


def _esanet(network: Network, task: Task) -> Levels:
    # Torchvision is imported only by those who ask for a network made of its blocks.
    from dmrnet.nn.encoders.resnet import imagenet_state, load_resnet
    from dmrnet.nn.networks.esanet.blocks import PyramidPooling
    from dmrnet.nn.networks.esanet.decoder import ESANetDecoder
    from dmrnet.nn.networks.esanet.streams import STRIDE as COARSE
    from dmrnet.nn.networks.esanet.streams import ESANetStream

    check_dense(task, "esanet", dense=True)
    for modality in task.inputs:
        check_kind(modality, "esanet", ("image",))
    stem, layout = network.stem, network.layout or "r34-nbt1d"
    streams = {m.name: ESANetStream(m.shape[0], layout, width=stem) for m in task.inputs}
    if network.pretrained:
        if stem != 64:
            raise ValueError(f"published weights have width 64, got width {stem}")
        for stream in streams.values():
            load_resnet(imagenet_state(layout), stream.stem, stream.stages)
    return Levels(
        streams=streams,
        names=(1, 2, 3, 4),
        channels=tuple(layout_of(layout).channels(stem)[1:]),
        every=tuple(layout_of(layout).channels(stem)),
        skips=(2 * stem, 4 * stem, 8 * stem),
        deep=lambda c: PyramidPooling(c, 8 * stem),
        width=8 * stem,
        decoder=lambda: ESANetDecoder(8 * stem, len(task.classes)),
        stride=COARSE,
    )


class Meets(nn.Module):
    """How the maps of one level meet; a method's own.

    Attributes:
        channels: C of what comes of it.
    """

    channels: int

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Map ``(B, V, C, H, W)``, zeros where hidden, and bool ``(B, V)`` to a map.

        Returns:
            ``(B, channels, H, W)``, and tensors that terms of the loss read, by name.
        """
        raise TypeError(f"{type(self).__name__} does not say how maps meet")


class SideBySide(Meets):
    """Maps side by side over channels, as they are or mixed by a 1x1 block.

    Args:
        modalities: V.
        before: C of every map.
        after: C of what comes of it; None for V C, without a block.
    """

    def __init__(self, modalities: int, before: int, after: int | None = None) -> None:
        super().__init__()
        self.channels = after or modalities * before
        self.mix = nn.Identity() if after is None else conv_block(modalities * before, after, 1)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Mix the maps."""
        return self.mix(maps.flatten(1, 2)), {}


class LevelFusion(Fusion):
    """At each level the streams' masked maps meet; the deepest goes through the family's last part.

    Args:
        modalities: In the order of mask columns.
        levels: Of the family.
        meets: One a level, shallow ones first.

    Attributes:
        stride: What must divide an image's height and width.
    """

    def __init__(self, modalities: Sequence[str], levels: Levels, meets: Sequence[Meets]) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.names = levels.names
        self.stride = levels.stride
        self.meets = nn.ModuleList(meets)
        self.deep = levels.deep(meets[-1].channels)

    def stacked(self, feats: Inputs, mask: Tensor, level: int) -> Tensor:
        """Return the maps of a level, ``(B, V, C, H, W)``, zeros where hidden."""
        return torch.stack(
            [
                masked(feats[feature_name(name, level)], column)
                for name, column in zip(self.modalities, mask.unbind(1), strict=True)
            ],
            1,
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the levels that meet."""
        kept = [feature_name(name, level) for name in self.modalities for level in self.names]
        return CachedFeatures({name: feats[name] for name in kept})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of every level under bool ``(B, V)``.

        Returns:
            The deepest map, the others as skips, and the extras of all levels in order.
        """
        maps: list[Tensor] = []
        extras: dict[str, tuple[Tensor, ...]] = {}
        for level, meet in zip(self.names, self.meets, strict=True):
            one, more = meet(self.stacked(feats, mask, level), mask)
            maps.append(one)
            for name, tensors in more.items():
                extras[name] = (*extras.get(name, ()), *tensors)
        return Fused(self.deep(maps[-1]), tuple(maps[:-1]), extras)


class Alone(nn.Module):
    """One modality's maps through a deepest part and a decoder of their own.

    Args:
        levels: Of the family.
    """

    def __init__(self, levels: Levels) -> None:
        super().__init__()
        self.skips = nn.ModuleList(
            nn.Identity() if c == wanted else conv_block(c, wanted, 1)
            for c, wanted in zip(levels.channels, levels.skips, strict=False)
        )
        self.deep = levels.deep(levels.channels[-1])
        self.decoder = levels.decoder()

    def forward(self, maps: Sequence[Tensor]) -> Output:
        """Predict from the maps of every level, shallow ones first."""
        skips = [skip(x) for skip, x in zip(self.skips, maps, strict=False)]
        out = self.decoder(self.deep(maps[-1]), skips)
        assert isinstance(out, Output)
        return out
