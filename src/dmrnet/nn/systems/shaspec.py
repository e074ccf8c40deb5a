"""Shared and specific features, and what stands in for a shared one that is missing (ShaSpec)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task, Where, spread_rows, take_rows
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.grid import shrink_to_grid, to_grid
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.nn.networks.custom_fusion import Shapes, single_modality_network
from dmrnet.nn.networks.network import Network

Residual = Literal["shared", "specific"]
"""What the projection is added to."""

Impute = Literal["mean", "first", "released"]
"""What a missing shared feature is: the mean of those shown, the first of them, or what the
released adaptation makes of it (see `filled_as_released`)."""


def shared_name(modality: str) -> str:
    """Return the name of a modality's shared feature; its specific one has the modality's own."""
    return f"{modality}.shared"


class SharedEncoder(nn.Module):
    """One encoder for all modalities, run once on all their rows together.

    Where modalities differ in shape or kind of encoder, each has an encoder of its own in front and
    what they share is a 1x1 block on the grid. Rows of all modalities go through together, so that
    batch norms see in training the mixture that they are used on at inference.

    Args:
        network: Of the family.
        task: Its modalities.
        shapes: Of the specific features' maps.
        grid: Where maps meet, if they have to.
    """

    def __init__(self, network: Network, task: Task, shapes: Shapes, grid: tuple[int, int]) -> None:
        super().__init__()
        self.modalities = task.modalities
        kinds = {
            (m.kind, m.shape, network.encoders.get(m.name, network.encoder)) for m in task.inputs
        }
        first = task.modalities[0]
        self.own: nn.ModuleList | None = None
        self.grid = grid
        self.shape = shapes[first]
        self.shapes = dict(shapes)
        if len(kinds) == 1:
            self.shared: nn.Module = single_modality_network(network, task, first).encoders[first]
            return
        self.own = nn.ModuleList(
            single_modality_network(network, task, n).encoders[n] for n in task.modalities
        )
        self.shape = (self.shape[0], *grid)
        self.shared = trunk(self.shape[0], self.shape[0], 1)

    def forward(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Encode each modality on the rows that `where` names; zeros elsewhere."""
        parts = []
        for v, name in enumerate(self.modalities):
            x, rows = inputs[name], where[name]
            if self.own is not None:
                x = to_grid(encode_rows(self.own[v], x, rows, self.shapes[name]), self.grid)
            parts.append(x if rows is None else take_rows(x, rows))
        together: Tensor = self.shared(torch.cat(parts))
        feats = {}
        sizes = [part.shape[0] for part in parts]
        for name, some in zip(self.modalities, together.split(sizes), strict=True):
            rows, x = where[name], inputs[name]
            if rows is not None:
                some = spread_rows(some, rows, x.shape[0])
            feats[shared_name(name)] = some
        return feats


class SharedSpecificFusion(Fusion):
    r"""Both kinds of features of each modality in one map, side by side, then a trunk.

    .. math:: f_v = P_v [r_v, s_v] + r_v

    with r_v the shared and s_v the specific features. Of a hidden modality s_v is zero and r_v is
    made from what is shown.

    Args:
        modalities: In the order of mask columns.
        channels: C of the maps.
        grid: Where they meet.
        trunk: From ``(B, V C, H, W)``.
        residual: r_v (the paper) or s_v is added.
        impute: See `Impute`.
        one_projection: The same P for every modality (the paper), or one each.
        kernel: Of P: 1, or 3 as in the source, where maps have neighbours.
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
        count = 1 if one_projection else len(self.modalities)
        bias = not one_projection
        self.project = nn.ModuleList(
            Pointwise(2 * channels, channels, bias=bias)
            if kernel == 1
            else nn.Conv2d(2 * channels, channels, kernel, padding=kernel // 2, bias=bias)
            for _ in range(count)
        )
        self.trunk = trunk

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grid."""
        return CachedFeatures({name: shrink_to_grid(f, self.grid) for name, f in feats.items()})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse shared and specific features under bool ``(B, V)``."""
        columns = mask.unbind(1)
        shared = [
            to_grid(masked(feats[shared_name(n)], column), self.grid)
            for n, column in zip(self.modalities, columns, strict=True)
        ]
        specific = [
            to_grid(masked(feats[n], column), self.grid)
            for n, column in zip(self.modalities, columns, strict=True)
        ]
        filled = self.fill(torch.stack(shared, 1), mask)
        return Fused(self.trunk(self.composed(filled, specific)))

    def composed(self, filled: Tensor, specific: Sequence[Tensor]) -> Tensor:
        """Return f_v side by side, ``(B, V C, H, W)``.

        Args:
            filled: Shared features ``(B, V, C, H, W)``, of which none is missing.
            specific: ``(B, C, H, W)`` a modality, zeros where hidden.
        """
        parts = []
        for v, own in enumerate(specific):
            project = self.project[v if len(self.project) > 1 else 0]
            base = filled[:, v] if self.residual == "shared" else own
            parts.append(project(torch.cat([filled[:, v], own], 1)) + base)
        return torch.cat(parts, 1)

    def fill(self, shared: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, V, C, H, W)`` with hidden maps made from those shown."""
        if self.impute == "released":
            return filled_as_released(shared, mask)
        if self.impute == "mean":
            made = shared.sum(1, keepdim=True) / mask.sum(1).view(-1, 1, 1, 1, 1)
        else:
            first = mask & (mask.cumsum(1) == 1)
            made = (shared * first.view(*mask.shape, 1, 1, 1)).sum(1, keepdim=True)
        return torch.where(mask.view(*mask.shape, 1, 1, 1), shared, made)


def filled_as_released(shared: Tensor, mask: Tensor) -> Tensor:
    """Fill missing shared features as the released adaptation does, slips included.

    One modality after the other: a missing one becomes the sum of the others, as they are by then
    (missing ones before it are already filled, those behind it zero), divided by how many of them
    are shown. The third one reads itself, a zero, in the place of the second. The source has three
    modalities; of more, all behind the third are filled by the rule without that slip.

    Args:
        shared: ``(B, V, C, H, W)``, zeros where hidden.
        mask: bool ``(B, V)``.
    """
    maps = list(shared.unbind(1))
    for v in range(len(maps)):
        others = [u for u in range(len(maps)) if u != v]
        read = [0, 2, *others[2:]] if v == 2 else others
        if not others:
            break
        count = mask[:, others].sum(1).clamp(min=1).view(-1, 1, 1, 1)
        made = torch.stack([maps[u] for u in read]).sum(0) / count
        maps[v] = torch.where(mask[:, v].view(-1, 1, 1, 1), maps[v], made)
    return torch.stack(maps, 1)
