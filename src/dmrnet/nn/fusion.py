"""Fusion of the modalities' features under a mask (Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Where, take_rows
from dmrnet.nn.grid import Grid, common_grid, shrink_to_grid, to_grid
from dmrnet.nn.layers.linear_start import LinearStart
from dmrnet.nn.layers.visible_sums import sum_rows, sum_selected

WORTH_SPLITTING = 1 << 24
"""Products per sample from which splitting the start of a trunk by modality pays in training."""

Extras = Mapping[str, tuple[Tensor, ...]]
"""Tensors that terms of the loss read, by name; several for several levels or modalities."""


@dataclass(frozen=True)
class Fused:
    """Result of a fusion.

    Attributes:
        map: Fused map ``(B, C, H, W)``; a vector is C x 1 x 1.
        skips: Further fused maps, read by the predictor of a dense task.
        extras: Further results for terms of the loss; see `Extras`.
    """

    map: Tensor
    skips: tuple[Tensor, ...] = ()
    extras: Extras = field(default_factory=dict)


def masked(feature: Tensor, column: Tensor) -> Tensor:
    """Zero the rows of a feature ``(B, ...)`` whose mask ``(B,)`` is False.

    Rows are selected, not multiplied, so that NaN and infinity in a hidden row neither pass nor get
    a gradient (the Bernoulli indicator delta of Eq. 1).
    """
    shape = (-1,) + (1,) * (feature.dim() - 1)
    return torch.where(column.view(shape), feature, feature.new_zeros(()))


def masked_all(feats: Inputs, names: Iterable[str], mask: Tensor) -> list[Tensor]:
    """Return the named features, one for each column of the mask, with hidden rows zeroed."""
    return [masked(feats[name], column) for name, column in zip(names, mask.unbind(1), strict=True)]


class Fusion(nn.Module):
    """Base class of fusions: features of each modality and a mask become one map.

    A subclass defines `forward`. Everything else is optional and only saves time.

    Attributes:
        stride: Number that must divide the height and width of images in a dense task.
    """

    stride: int = 1

    def forward(self, feats: Any, mask: Tensor) -> Fused:  # noqa: ANN401
        """Fuse the visible modalities.

        Args:
            feats: Features ``(B, ...)`` by name, or what `CachedFeatures.select` returned.
            mask: bool ``(B, V)``, True where a modality is visible.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")

    def fuse_rows(self, feats: Inputs, mask: Tensor, rows: Where) -> Fused:
        """Fuse under a mask whose visible rows are known as index lists; in training.

        Args:
            feats: Features ``(B, ...)`` by name.
            mask: bool ``(B, V)``.
            rows: For each modality the rows that the mask shows it in, int64; None for every row.
        """
        fused: Fused = self(feats, mask)
        return fused

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Compute what is the same under every mask; once per sample, in evaluation."""
        return CachedFeatures(feats)

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Drop the weights that only other modalities need, for deployment.

        Returns:
            Whether the fusion now takes features and masks of these modalities alone.
        """
        return False


@dataclass(frozen=True)
class VisibleSum:
    """What the first convolutions of a trunk made of the visible modalities, added up.

    Attributes:
        parts: One tensor ``(b, ...)`` for each convolution.
        mask: bool ``(b, V)``: the mask that the modalities were added under.
    """

    parts: tuple[Tensor, ...]
    mask: Tensor


class CachedParts(CachedFeatures):
    """What the first convolutions of a trunk made of each modality; a mask says which are added.

    Args:
        parts: One tensor ``(B, ...)`` for each convolution, by modality.
    """

    def __init__(self, parts: Mapping[str, tuple[Tensor, ...]]) -> None:
        self.parts = parts

    @property
    def row_size(self) -> int:
        """Number of values in one selected row: the modalities are added by then."""
        return sum(part.shape[1:].numel() for part in next(iter(self.parts.values())))

    def select(self, rows: Tensor, mask: Tensor) -> VisibleSum:
        """Select rows ``(b,)`` and add their visible modalities."""
        by_convolution = zip(*self.parts.values(), strict=True)
        return VisibleSum(tuple(sum_selected(maps, rows, mask) for maps in by_convolution), mask)


class ConcatFusion(Fusion):
    """Masked maps side by side over channels (Eq. 1), then a trunk.

    If the trunk starts with convolutions (`LinearStart`), these run on each modality by itself and
    the results are added: once per sample in evaluation, on visible rows only in training.

    Args:
        shapes: ``(C, H, W)`` of each modality's map, in the model's order.
        trunk: Module from ``(B, sum C, H, W)`` to the fused map.
        grid: Where the maps meet; see `common_grid`.
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
                    "the features were selected under another mask; select them again under this "
                    "one"
                )
            assert isinstance(self.trunk, LinearStart)
            return Fused(self.trunk.rest(feats.parts))
        maps = [to_grid(x, self.grid) for x in masked_all(feats, self.modalities, mask)]
        return Fused(self.trunk(torch.cat(maps, 1)))

    def fuse_rows(self, feats: Inputs, mask: Tensor, rows: Where) -> Fused:
        """Fuse; a trunk that is large enough starts on the visible rows of each modality."""
        if not isinstance(self.trunk, LinearStart) or not self.splits(self.trunk):
            return super().fuse_rows(feats, mask, rows)
        visible = {}
        for name in self.modalities:
            at = rows[name]
            visible[name] = feats[name] if at is None else take_rows(feats[name], at)
        parts = self._start(self.trunk, visible)
        sums = [
            sum_rows(
                list(zip(of_one, (rows[name] for name in parts), strict=True)),
                len(mask),
            )
            for of_one in zip(*parts.values(), strict=True)
        ]
        return Fused(self.trunk.rest(sums))

    def splits(self, trunk: LinearStart) -> bool:
        """Return whether the start of a trunk is large enough to be split in training."""
        return trunk.cost(self.grid[0] * self.grid[1]) >= WORTH_SPLITTING

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Run the trunk's first convolutions, if there are any, else shrink maps to the grid."""
        if isinstance(self.trunk, LinearStart):
            return CachedParts(self._start(self.trunk, feats))
        return CachedFeatures({name: shrink_to_grid(f, self.grid) for name, f in feats.items()})

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
