"""The grid of positions on which maps of different sizes meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import CachedFeatures, Inputs

Grid = Literal["auto", "pooled"]
"""Rule for choosing the grid; see `common_grid`."""


def common_grid(shapes: Sequence[tuple[int, int, int]], grid: Grid = "auto") -> tuple[int, int]:
    """Choose the grid on which maps of different sizes meet.

    Args:
        shapes: ``(C, H, W)`` of each modality's map.
        grid: ``pooled`` for one position; ``auto`` for one position if a modality is a vector,
            else the smallest two-dimensional map, else the smallest one-dimensional map.

    >>> common_grid([(64, 4, 4), (64, 1, 16)])
    (4, 4)
    >>> common_grid([(64, 1, 16), (64, 1, 8)])
    (1, 8)
    >>> common_grid([(64, 4, 4), (64, 1, 1)])
    (1, 1)
    """
    if grid not in ("auto", "pooled"):
        raise ValueError(f"expected grid as auto or pooled, got {grid!r}")
    sizes = [(h, w) for _, h, w in shapes]
    if grid == "pooled" or (1, 1) in sizes:
        return 1, 1
    planes = [size for size in sizes if min(size) > 1]
    return min(planes or sizes, key=lambda size: (size[0] * size[1], size))


def to_grid(feature: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Bring a map ``(B, C, h, w)`` to a grid ``(H, W)``.

    A vector is repeated at every position. A plane is resized by adaptive average pooling. A line
    on a two-dimensional grid is cut into H*W stretches, each averaged, in reading order.
    """
    height, width = grid
    h, w = feature.shape[2:]
    if (h, w) == grid:
        return feature
    if h == w == 1:
        return feature.expand(-1, -1, height, width)
    if h == 1 and height > 1:
        stretches = F.adaptive_avg_pool2d(feature, (1, height * width))
        return stretches.reshape(*feature.shape[:2], height, width)
    return F.adaptive_avg_pool2d(feature, (height, width))


def pooled_to(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Average maps ``(B, C, H, W)`` or ``(B, C, D, H, W)`` to a size along each axis of space."""
    if len(size) == 2:
        return F.adaptive_avg_pool2d(maps, (size[0], size[1]))
    return F.adaptive_avg_pool3d(maps, (size[0], size[1], size[2]))


def shrink_to_grid(feature: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Bring a map to a grid if it is larger; a smaller map is returned as it is."""
    return to_grid(feature, grid) if feature.shape[2:].numel() > grid[0] * grid[1] else feature


def cached_on_grid(feats: Inputs, grid: tuple[int, ...]) -> CachedFeatures:
    """Return maps for many combinations, those larger than a grid shrunk to it."""
    return CachedFeatures({name: shrink_to_grid(f, grid) for name, f in feats.items()})
