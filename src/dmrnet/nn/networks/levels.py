"""A family's network for dense prediction, split by level, for methods with their own fusion.

Each modality has a stream that no other changes, and the method fuses the streams' masked maps at
every level. Both the generic network and ESANet are available; for ESANet without its interleaving,
in which the main stream continues from fused maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.pixel_stream import stride_of
from dmrnet.nn.encoders.resnet_layouts import layout_of
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.networks.network import Network
from dmrnet.nn.networks.parts import check_dense, check_kinds
from dmrnet.nn.networks.pixels import PixelDecoder


@dataclass(frozen=True)
class Levels:
    """The parts of a family's dense network around the fusion.

    Attributes:
        streams: Encoder of each modality, in the task's order; all have the same levels.
        numbers: Numbers of the fused levels, shallow ones first, as in `feature_name`.
        all_widths: Number of channels of each stream's map at every level, fused or not.
        skip_widths: Number of channels that the decoder reads of each fused level but the deepest.
        build_bottleneck: Builds the bottleneck for a given number of input channels.
        width: Number of channels of the bottleneck's map.
        build_decoder: Builds a decoder.
        stride: Number that must divide the sides of images or volumes.
        axes: Number of axes of space: 2 of images, 3 of volumes.
    """

    streams: Mapping[str, MultiLevelEncoder]
    numbers: tuple[int, ...]
    all_widths: tuple[int, ...]
    skip_widths: tuple[int, ...]
    build_bottleneck: Callable[[int], nn.Module]
    width: int
    build_decoder: Callable[[], nn.Module]
    stride: int
    axes: int = 2

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of channels of each stream's map at the fused levels."""
        return tuple(self.all_widths[number] for number in self.numbers)

    @property
    def deepest(self) -> int:
        """Number of the deepest level."""
        return self.numbers[-1]

    def grid(self, task: Task) -> tuple[int, ...]:
        """Return the size of the deepest maps of a task's images or patches."""
        return tuple(side // self.stride for side in task.inputs[0].shape[1:])


def levels_of(network: Network, task: Task) -> Levels:
    """Build a family's streams, and return builders of its bottleneck and decoder.

    Raises:
        ValueError: If the family or the task is not dense, or the family cannot read a modality.
    """
    network.check_encoders()
    if network.family == "esanet":
        return _esanet_levels(network, task)
    check_dense(task, network.family, dense=network.family == "generic")
    streams = network.build_streams(task)
    widths = tuple(next(iter(streams.values())).widths)
    axes = task.axes
    return Levels(
        streams=streams,
        numbers=tuple(range(len(widths))),
        all_widths=widths,
        skip_widths=widths[:-1],
        build_bottleneck=lambda channels: trunk(
            channels, network.width, network.trunk_depth, network.trunk_kernel, axes
        ),
        width=network.width,
        build_decoder=lambda: PixelDecoder(network.width, len(task.classes), axes),
        stride=stride_of(axes),
        axes=axes,
    )


def _esanet_levels(network: Network, task: Task) -> Levels:
    # Here, since these modules import torchvision.
    from dmrnet.nn.encoders.resnet import imagenet_state, load_resnet
    from dmrnet.nn.networks.esanet.blocks import PyramidPooling
    from dmrnet.nn.networks.esanet.decoder import ESANetDecoder
    from dmrnet.nn.networks.esanet.streams import STRIDE as ESANET_STRIDE
    from dmrnet.nn.networks.esanet.streams import ESANetStream

    check_dense(task, "esanet", dense=True)
    check_kinds(task, "esanet", ("image",))
    stem, layout = network.stem, network.layout or "r34-nbt1d"
    streams = {m.name: ESANetStream(m.shape[0], layout, width=stem) for m in task.inputs}
    if network.pretrained:
        state = imagenet_state(layout, stem)
        for stream in streams.values():
            load_resnet(state, stream.stem, stream.stages)
    return Levels(
        streams=streams,
        numbers=(1, 2, 3, 4),
        all_widths=layout_of(layout).channels(stem),
        skip_widths=(2 * stem, 4 * stem, 8 * stem),
        build_bottleneck=lambda channels: PyramidPooling(channels, 8 * stem),
        width=8 * stem,
        build_decoder=lambda: ESANetDecoder(8 * stem, len(task.classes)),
        stride=ESANET_STRIDE,
    )
