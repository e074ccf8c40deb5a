"""A family's network with a method's own fusion between its encoders, trunk and predictor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task
from dmrnet.nn.fusion import Fused, Fusion, masked_all
from dmrnet.nn.grid import cached_on_grid, to_grid
from dmrnet.nn.networks.network import Network, Shapes, feature_shapes
from dmrnet.nn.networks.parts import NetworkParts, check_dense


def common_width(shapes: Shapes, method: str) -> int:
    """Return the number of channels that every modality's map has.

    Raises:
        ValueError: If the numbers differ.
    """
    channels = {name: shape[0] for name, shape in shapes.items()}
    if len(set(channels.values())) > 1:
        raise ValueError(
            f"{method} adds the modalities' maps: expected one number of channels, got "
            f"{', '.join(f'{name} {c}' for name, c in channels.items())}; use one encoder for all, "
            "or set the network's width to theirs"
        )
    return next(iter(channels.values()))


def sub_network(network: Network, task: Task, names: Sequence[str]) -> NetworkParts:
    """Build a network for some of a task's modalities, in the task's order.

    A main modality that is not among them is replaced by the first that is.
    """
    inputs = tuple(m for m in task.inputs if m.name in names)
    # Names that the task lacks stay, so that `build` reports them.
    encoders = {n: e for n, e in network.encoders.items() if n in names or n not in task.modalities}
    main = network.main if network.main in names else None
    return replace(network, encoders=encoders, main=main).build(replace(task, inputs=inputs))


class MixFusion(Fusion):
    """Mixes masked maps of one width on one grid by a method's own rule, then applies a trunk.

    Args:
        modalities: Names in the order of mask columns.
        grid: Grid that the maps are brought to.
        mix: Module from maps ``(B, V, C, H, W)``, zeros where hidden, and mask ``(B, V)`` to a map.
        trunk: Module from that map to the fused map.
    """

    def __init__(
        self, modalities: Sequence[str], grid: tuple[int, int], mix: nn.Module, trunk: nn.Module
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.grid = grid
        self.mix = mix
        self.trunk = trunk

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grid."""
        return cached_on_grid(feats, self.grid)

    def stacked(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return the maps ``(B, V, C, H, W)`` on the grid, zeros where hidden."""
        maps = masked_all(feats, self.modalities, mask)
        return torch.stack([to_grid(x, self.grid) for x in maps], 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps ``(B, C, H_v, W_v)`` under bool ``(B, V)``."""
        return Fused(self.trunk(self.mix(self.stacked(feats, mask), mask)))


def build_mixed_network(
    network: Network,
    task: Task,
    method: str,
    make: Callable[[int, int], tuple[nn.Module, int]],
    fuse: type[MixFusion] = MixFusion,
) -> NetworkParts:
    """Build a family's network for classification with a method's own mixing before the trunk.

    `make` returns the mixing of V modalities with C channels, and its number of output channels.

    Raises:
        ValueError: If the task is dense, or the modalities' maps differ in channels.
    """
    check_dense(task, method, dense=False)
    encoders = network.build(task).encoders
    shapes = feature_shapes(task, encoders)
    mix, channels = make(len(shapes), common_width(shapes, method))
    grid = network.fusion_grid(shapes)
    tail = network.build_tail(task, channels, grid)
    fusion = fuse(task.modalities, grid, mix, tail.trunk)
    return NetworkParts(encoders, fusion, tail.channels, tail.predictor)
