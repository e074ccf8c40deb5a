"""Fusion by concatenation (Eq. 1), with the linear start of the trunk split by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Where, take_rows
from dmrnet.nn.fusion import Fused, Fusion, masked_all
from dmrnet.nn.grid import Grid, cached_on_grid, common_grid, to_grid
from dmrnet.nn.layers.linear_start import LinearStart
from dmrnet.nn.layers.visible_sums import sum_rows, sum_selected

WORTH_SPLITTING = 1 << 24
"""Products per sample from which splitting the start of a trunk pays in training."""


@dataclass(frozen=True)
class VisibleSum:
    """Output of a trunk's first convolutions, added over the visible modalities.

    Attributes:
        parts: Output of each first convolution, ``(b, ...)``.
        mask: Bool tensor of shape ``(b, V)``: the mask of the sum.
    """

    parts: tuple[Tensor, ...]
    mask: Tensor


class CachedParts(CachedFeatures):
    """Output of a trunk's first convolutions for each modality, to be added under masks.

    Args:
        parts: Output of each first convolution, ``(B, ...)``, by modality.
    """

    def __init__(self, parts: Mapping[str, tuple[Tensor, ...]]) -> None:
        self.parts = parts

    @property
    def row_size(self) -> int:
        """Number of values in one selected row, in which the modalities are already added."""
        return sum(part.shape[1:].numel() for part in next(iter(self.parts.values())))

    def select(self, rows: Tensor, mask: Tensor) -> VisibleSum:
        """Select rows ``(b,)`` and add their visible modalities."""
        by_convolution = zip(*self.parts.values(), strict=True)
        return VisibleSum(tuple(sum_selected(maps, rows, mask) for maps in by_convolution), mask)


class ConcatFusion(Fusion):
    """Masked maps side by side over channels (Eq. 1), then a trunk.

    If the trunk starts with convolutions (`LinearStart`), they run on each modality by itself and
    their outputs are added: once per sample in evaluation, on visible rows only in training.

    Args:
        shapes: Shape ``(C, H, W)`` of each modality's map, in the model's order.
        trunk: Module from ``(B, sum C, H, W)`` to the fused map.
        grid: Choice of the grid that maps are brought to; see `common_grid`.
    """

    def __init__(
        self, shapes: Mapping[str, tuple[int, int, int]], trunk: nn.Module, grid: Grid = "auto"
    ) -> None:
        super().__init__()
        self.modalities = tuple(shapes)
        self.grid = common_grid(list(shapes.values()), grid)
        self.trunk = trunk
        self.sizes = [shape[0] for shape in shapes.values()]

    def forward(self, feats: Inputs | VisibleSum, mask: Tensor) -> Fused:
        """Fuse maps ``(B, C_v, H_v, W_v)``, or their sum, under bool ``(B, V)``."""
        if isinstance(feats, VisibleSum):
            if feats.mask is not mask:
                raise ValueError(
                    "features were selected for another mask; select them for this one"
                )
            assert isinstance(self.trunk, LinearStart)
            return Fused(self.trunk.rest(feats.parts))
        return self._fuse(masked_all(feats, self.modalities, mask))

    def _fuse(self, maps: Sequence[Tensor]) -> Fused:
        return Fused(self.trunk(torch.cat([to_grid(x, self.grid) for x in maps], 1)))

    def fuse_rows(self, feats: Inputs, mask: Tensor, rows: Where) -> Fused:
        """Fuse; a trunk with a large start applies it to the visible rows of each modality."""
        if not isinstance(self.trunk, LinearStart) or not self.splits(self.trunk):
            # Hidden rows are zero.
            return self._fuse([feats[name] for name in self.modalities])
        visible = {name: take_rows(feats[name], rows[name]) for name in self.modalities}
        at = [rows[name] for name in self.modalities]
        by_convolution = zip(*self._start(self.trunk, visible).values(), strict=True)
        return Fused(self.trunk.rest([sum_rows(parts, at, len(mask)) for parts in by_convolution]))

    def splits(self, trunk: LinearStart) -> bool:
        """Return whether the start of a trunk is large enough to be split in training."""
        return trunk.cost(self.grid[0] * self.grid[1]) >= WORTH_SPLITTING

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Run the trunk's first convolutions, if it starts with them, else shrink large maps."""
        if isinstance(self.trunk, LinearStart):
            return CachedParts(self._start(self.trunk, feats))
        return cached_on_grid(feats, self.grid)

    def _start(self, trunk: LinearStart, feats: Inputs) -> dict[str, tuple[Tensor, ...]]:
        starts = zip(self.modalities, trunk.split(self.sizes), strict=True)
        return {name: start(to_grid(feats[name], self.grid)) for name, start in starts}

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Cut the weights of other modalities out of the trunk's first convolutions."""
        if not isinstance(self.trunk, LinearStart):
            return False
        kept = [v for v, name in enumerate(self.modalities) if name in modalities]
        self.trunk.restrict(self.sizes, kept)
        self.sizes = [self.sizes[v] for v in kept]
        self.modalities = tuple(self.modalities[v] for v in kept)
        return True
