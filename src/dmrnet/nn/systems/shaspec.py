"""Shared and specific features, and replacements of missing shared ones (ShaSpec)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task, Where, spread_rows, take_rows
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, Fusion, masked_all, over_maps
from dmrnet.nn.grid import cached_on_grid, to_grid
from dmrnet.nn.layers.conv_block import convolution
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.nn.networks.custom_fusion import sub_network
from dmrnet.nn.networks.network import Network, Shapes

Residual = Literal["shared", "specific"]
"""The features that the projection is added to."""

Impute = Literal["mean", "first", "released"]
"""Replacement of a missing shared feature: the mean of the visible ones, the first of them, or that
of the released adaptation (see `filled_as_released`)."""


def shared_name(modality: str) -> str:
    """Return the key of a modality's shared feature; its specific feature has the modality's."""
    return f"{modality}.shared"


def blank_name(modality: str) -> str:
    """Return the key of the shared feature of a zero image of a modality."""
    return f"{modality}.blank"


def split_rows(
    together: Tensor, inputs: Inputs, where: Where, modalities: Sequence[str]
) -> dict[str, Tensor]:
    """Split the concatenated rows that `where` lists, and place each modality's among zeros."""
    rows = [where[name] for name in modalities]
    batch = [inputs[name].shape[0] for name in modalities]
    sizes = [size if at is None else len(at) for at, size in zip(rows, batch, strict=True)]
    pieces = zip(modalities, together.split(sizes), rows, batch, strict=True)
    return {n: x if at is None else spread_rows(x, at, size) for n, x, at, size in pieces}


class SharedEncoder(nn.Module):
    """One encoder of all modalities, run once on all their rows together.

    If modalities differ in shape or kind of encoder, each has an encoder of its own and the shared
    part is a 1x1 block on the grid. All rows go through together, so that in training batch norms
    see the mixture of modalities on which they are used at inference.
    """

    def __init__(self, network: Network, task: Task, shapes: Shapes, grid: tuple[int, int]) -> None:
        super().__init__()
        self.modalities = task.modalities
        kinds = {
            (m.kind, m.shape, m.ragged, network.encoders.get(m.name, network.encoder))
            for m in task.inputs
        }
        first = task.modalities[0]
        self.own: nn.ModuleList | None = None
        self.grid = grid
        self.shapes = dict(shapes)
        if len(kinds) == 1:
            self.shared: nn.Module = sub_network(network, task, [first]).encoders[first]
            return
        self.own = nn.ModuleList(
            sub_network(network, task, [n]).encoders[n] for n in task.modalities
        )
        channels = shapes[first][0]
        self.shared = trunk(channels, channels, 1)

    def forward(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Encode each modality on the rows that `where` lists; other rows are zeros."""
        parts = []
        for v, name in enumerate(self.modalities):
            x, rows = inputs[name], where[name]
            if self.own is not None:
                x = to_grid(encode_rows(self.own[v], x, rows, self.shapes[name]), self.grid)
            parts.append(take_rows(x, rows))
        feats = split_rows(self.shared(torch.cat(parts)), inputs, where, self.modalities)
        return {shared_name(name): x for name, x in feats.items()}


class SharedSpecificFusion(Fusion):
    r"""Combines both kinds of features of each modality, concatenates them and applies a trunk.

    .. math:: f_v = P_v [r_v, s_v] + r_v

    with r_v the shared and s_v the specific features. For a hidden modality r_v is computed from
    visible ones, and f_v is that r_v itself; with `project_missing` f_v is as above with s_v zero.

    Args:
        modalities: Names in the order of mask columns.
        channels: Number of channels of the maps, C.
        grid: Grid that maps are brought to.
        trunk: Module from ``(B, V C, H, W)`` to the fused map.
        residual: Whether r_v (the paper) or s_v is added.
        impute: Replacement of a missing r_v; see `Impute`.
        one_projection: Whether all modalities share one P (the paper).
        kernel: Kernel size of P: 1, or 3 as in the source.
        project_missing: Whether a hidden modality's replacement is projected too, as in the
            released adaptation.
        axes: Number of axes of space.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        channels: int,
        grid: tuple[int, int],
        trunk: nn.Module,
        residual: Residual = "shared",
        impute: Impute = "mean",
        one_projection: bool = True,
        kernel: int = 1,
        project_missing: bool = False,
        axes: int = 2,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"expected project_kernel odd, got {kernel}")
        if residual not in ("shared", "specific"):
            raise ValueError(f"expected residual as shared or specific, got {residual!r}")
        if impute not in ("mean", "first", "released"):
            raise ValueError(f"expected impute as mean, first or released, got {impute!r}")
        self.modalities = tuple(modalities)
        self.grid = grid
        self.residual = residual
        self.impute = impute
        self.project_missing = project_missing
        count = 1 if one_projection else len(self.modalities)
        bias = not one_projection
        self.project = nn.ModuleList(
            Pointwise(2 * channels, channels, bias=bias)
            if kernel == 1
            else convolution(axes, 2 * channels, channels, kernel, bias=bias)
            for _ in range(count)
        )
        self.trunk = trunk

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grid."""
        return cached_on_grid(feats, self.grid)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse shared and specific features under bool ``(B, V)``."""
        names = [shared_name(name) for name in self.modalities]
        shared = [to_grid(x, self.grid) for x in masked_all(feats, names, mask)]
        specific = [to_grid(x, self.grid) for x in masked_all(feats, self.modalities, mask)]
        filled = self.fill(torch.stack(shared, 1), mask)
        return Fused(self.trunk(self.combine(filled, specific, mask)))

    def combine(self, filled: Tensor, specific: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Return the concatenated f_v, ``(B, V C, H, W)``, of filled and specific features."""
        parts = []
        for v, own in enumerate(specific):
            shared = filled[:, v]
            project = self.project[v if len(self.project) > 1 else 0]
            base = shared if self.residual == "shared" else own
            fused = project(torch.cat([shared, own], 1)) + base
            if not self.project_missing:
                fused = torch.where(over_maps(mask[:, v], fused), fused, shared)
            parts.append(fused)
        return torch.cat(parts, 1)

    def fill(self, shared: Tensor, mask: Tensor) -> Tensor:
        """Return shared features ``(B, V, C, H, W)`` with replacements of hidden ones."""
        if self.impute == "released":
            return filled_as_released(shared, mask)
        if self.impute == "mean":
            replacement = shared.sum(1, keepdim=True) / over_maps(mask.sum(1), shared)
        else:
            first = mask & (mask.cumsum(1) == 1)
            replacement = (shared * over_maps(first, shared)).sum(1, keepdim=True)
        return torch.where(over_maps(mask, shared), shared, replacement)


def filled_as_released(shared: Tensor, mask: Tensor) -> Tensor:
    """Fill missing shared features as the released adaptation does, errors included.

    Modalities are filled in order: a missing one becomes the current sum of the others (earlier
    missing ones are already filled, later ones zero), divided by the number of visible ones among
    them. The third one reads itself, a zero, in place of the second. The source has three
    modalities; further ones are filled by the rule without that error.
    """
    maps = list(shared.unbind(1))
    for v in range(len(maps)):
        others = [u for u in range(len(maps)) if u != v]
        read = [0, 2, *others[2:]] if v == 2 else others
        if not others:
            break
        count = over_maps(mask[:, others].sum(1).clamp(min=1), maps[v])
        replacement = torch.stack([maps[u] for u in read]).sum(0) / count
        maps[v] = torch.where(over_maps(mask[:, v], maps[v]), maps[v], replacement)
    return torch.stack(maps, 1)
