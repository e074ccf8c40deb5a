"""A family's network with a predictor for each modality, next to the fused part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.nn.fusion import Fusion
from dmrnet.nn.networks.level_fusion import LevelConcat, LevelFusion, ModalityDecoder
from dmrnet.nn.networks.levels import levels_of
from dmrnet.nn.networks.network import Network, feature_shapes
from dmrnet.nn.networks.parts import Tail, check_dense
from dmrnet.nn.predictor import PooledLinear
from dmrnet.nn.systems.experts.expert import ExpertHead, ModalityExpert
from dmrnet.targets import outputs_of


@dataclass(frozen=True)
class FusedParts:
    """The part of a network that reads the features of all modalities.

    Attributes:
        fusion: Fusion of the features under a mask.
        channels: Number of channels of the fused map.
        predictor: Module from a representation's value and skips to `Output`.
    """

    fusion: Fusion
    channels: int
    predictor: nn.Module


@dataclass(frozen=True)
class ExpertNetwork:
    """Experts of a task's modalities, and a builder of the fused part.

    Attributes:
        experts: Encoder and predictor of each modality, in the task's order.
        build_fused: Builds the fused part, which reads the experts' features.
        stride: Number that must divide the height and width of images in a dense task.
    """

    experts: Mapping[str, nn.Module]
    build_fused: Callable[[], FusedParts]
    stride: int


def expert_network(
    network: Network, task: Task, trunks: bool = True, share: float = 1.0
) -> ExpertNetwork:
    """Build a family's network for single modalities, and return a builder of the fused part.

    For classification an expert has the family's encoder, trunk and classifier. In dense tasks it
    has a stream with a bottleneck and a decoder, and the fused part concatenates the streams' maps
    at every level; ESANet's main stream does not continue from fused maps.

    Args:
        network: Settings of the network.
        task: Task of the network.
        trunks: Whether experts that classify have a trunk; otherwise they pool and are linear.
        share: Share of an expert's gradient that reaches its encoder.

    Raises:
        ValueError: If the family cannot read the task's modalities or predict its labels.
    """
    if task.dense:
        return _dense(network, task, share)
    network.check_encoders()
    check_dense(task, network.family, dense=network.family == "esanet")
    encoders = network.build_encoders(task)
    shapes = feature_shapes(task, encoders)
    outputs = outputs_of(task)
    experts = {}
    for name, shape in shapes.items():
        grid = network.fusion_grid({name: shape})
        tail = Tail(nn.Identity(), shape[0], PooledLinear(shape[0], outputs))
        if trunks:
            tail = network.build_tail(task, shape[0], grid)
        head = ExpertHead(tail.trunk, tail.predictor, grid)
        experts[name] = ModalityExpert(encoders[name], head, outputs, shape, share)

    def build_fused() -> FusedParts:
        channels = sum(shape[0] for shape in shapes.values())
        tail = network.build_tail(task, channels, network.fusion_grid(shapes))
        fusion = ConcatFusion(shapes, tail.trunk, network.grid_choice)
        return FusedParts(fusion, tail.channels, tail.predictor)

    return ExpertNetwork(experts, build_fused, 1)


def _dense(network: Network, task: Task, share: float) -> ExpertNetwork:
    levels = levels_of(network, task)
    classes = len(task.classes)
    experts = {
        name: ModalityExpert(stream, ModalityDecoder(levels), classes, levels.numbers, share)
        for name, stream in levels.streams.items()
    }

    def build_fused() -> FusedParts:
        number = len(task.modalities)
        mixings = [
            LevelConcat(number, before, after, levels.axes)
            for before, after in zip(levels.widths, (*levels.skip_widths, None), strict=True)
        ]
        fusion = LevelFusion(task.modalities, levels, mixings)
        return FusedParts(fusion, levels.width, levels.build_decoder())

    return ExpertNetwork(experts, build_fused, levels.stride)
