"""A family's network with another fusion: the same encoders, trunk and predictor around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.grid import Grid, common_grid, shrink_to_grid, to_grid
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.networks.network import Network, feature_shapes
from dmrnet.nn.networks.parts import Parts, check_dense
from dmrnet.nn.predictor import PooledLinear

Shapes = Mapping[str, tuple[int, int, int]]
"""``(C, H, W)`` of each modality's map."""


@dataclass(frozen=True)
class Behind:
    """What a family puts behind the fusion of its modalities, for classes.

    Attributes:
        trunk: From the fused map to what is represented.
        channels: C that it gives.
        predictor: Of classes.
    """

    trunk: nn.Module
    channels: int
    predictor: nn.Module


def behind(
    network: Network, task: Task, channels: int, grid: tuple[int, int] | None = None
) -> Behind:
    """Return a family's trunk and predictor for fused maps of so many channels, on a grid."""
    classes = len(task.classes)
    if network.family == "surf":
        from dmrnet.nn.networks.surf import surf_trunk

        after = 8 * network.stem
        made: nn.Module = surf_trunk(channels, network.stem, grid)
        return Behind(made, after, PooledLinear(after, classes))
    if network.family == "ogm":
        predictor = PooledLinear(channels, classes)
        nn.init.xavier_normal_(predictor.linear.weight)
        nn.init.zeros_(predictor.linear.bias)
        return Behind(nn.Identity(), channels, predictor)
    made = trunk(channels, network.width, network.trunk_depth, network.trunk_kernel)
    return Behind(made, network.width, PooledLinear(network.width, classes))


def grid_of(network: Network, shapes: Shapes) -> tuple[int, int]:
    """Return the grid on which a family's maps meet."""
    grid: Grid = network.grid
    if network.family == "ogm":
        grid = "pooled" if network.form == "vector" else "auto"
    elif network.family == "surf":
        grid = "auto"
    return common_grid(list(shapes.values()), grid)


def one_width(shapes: Shapes, method: str) -> int:
    """Return C where every modality's map has the same.

    Raises:
        ValueError: If they differ.
    """
    channels = {name: shape[0] for name, shape in shapes.items()}
    if len(set(channels.values())) > 1:
        raise ValueError(
            f"{method} adds the modalities' maps, so that all must have one number of channels; "
            f"got {', '.join(f'{name} {c}' for name, c in channels.items())}: take one encoder "
            "for all, or set the network's width to theirs"
        )
    return next(iter(channels.values()))


def of_one(network: Network, task: Task, name: str) -> Parts:
    """Return the network of one of a task's modalities alone, which is its main one."""
    (modality,) = (m for m in task.inputs if m.name == name)
    # A name that the task lacks stays, and is told.
    own = {n: e for n, e in network.encoders.items() if n == name or n not in task.modalities}
    alone = replace(task, inputs=(modality,))
    return replace(network, encoders=own, main=None).build(alone)


class MixFusion(Fusion):
    """Masked maps of one width on one grid, mixed by a method's own rule, then a trunk.

    Args:
        modalities: In the order of mask columns.
        grid: Where the maps meet.
        mix: From ``(B, V, C, H, W)``, zeros where hidden, and bool ``(B, V)`` to a map.
        trunk: From that map to the fused one.
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
        return CachedFeatures({name: shrink_to_grid(f, self.grid) for name, f in feats.items()})

    def stacked(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return the maps ``(B, V, C, H, W)`` on the grid, zeros where hidden."""
        columns = zip(self.modalities, mask.unbind(1), strict=True)
        maps = [to_grid(masked(feats[name], column), self.grid) for name, column in columns]
        return torch.stack(maps, 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse the maps of ``(B, C, H_v, W_v)`` each under bool ``(B, V)``."""
        return Fused(self.trunk(self.mix(self.stacked(feats, mask), mask)))


def mixed(
    network: Network,
    task: Task,
    method: str,
    make: Callable[[int, int], tuple[nn.Module, int]],
    fuse: type[MixFusion] = MixFusion,
) -> Parts:
    """Return a family's network with a method's own mixing between encoders and trunk.

    Args:
        network: Names the family; one that classifies samples.
        task: Its classes and modalities.
        method: For messages.
        make: From V and C to what mixes the maps, and the channels that the trunk reads.
        fuse: What mixing and trunk are put into.

    Raises:
        ValueError: If the task is dense, or the modalities' maps differ in C.
    """
    check_dense(task, method, dense=False)
    encoders = network.build(task).encoders
    shapes = feature_shapes(task, encoders)
    mix, channels = make(len(shapes), one_width(shapes, method))
    rest = behind(network, task, channels, grid_of(network, shapes))
    fusion = fuse(task.modalities, grid_of(network, shapes), mix, rest.trunk)
    return Parts(encoders, fusion, rest.channels, rest.predictor)
