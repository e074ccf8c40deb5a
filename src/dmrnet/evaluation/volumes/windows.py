"""Sliding windows over volumes, whose predictions are averaged with Gaussian weights.

As MONAI's ``sliding_window_inference`` with mode ``gaussian``, with which the tests compare; that
function predicts one output, where here each window is encoded once for every combination.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Inputs

SIGMA = 0.125
"""Deviation of the Gaussian, as a share of a window's side."""

LEAST = 1e-3
"""Least weight of a voxel of a window, of at most 1."""


@dataclass(frozen=True)
class Sliding:
    """Windows of one size.

    Attributes:
        sides: Depth, height and width of a window.
        overlap: Share of a window that its neighbour along an axis covers too.
    """

    sides: tuple[int, ...]
    overlap: float = 0.5

    def starts(self, size: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the first voxel of each window over a volume that is no smaller than one.

        >>> Sliding((4, 4, 4)).starts((4, 7, 4))
        [(0, 0, 0), (0, 2, 0), (0, 3, 0)]
        """
        axes = []
        for whole, side in zip(size, self.sides, strict=True):
            step = max(1, int(side * (1 - self.overlap)))
            number = -(-(whole - side) // step) + 1
            axes.append([min(k * step, whole - side) for k in range(number)])
        return list(product(*axes))

    def padding(self, size: Sequence[int]) -> list[int]:
        """Return the zeros around a volume that is smaller than a window, as `F.pad` takes them."""
        ends: list[int] = []
        for whole, side in reversed(list(zip(size, self.sides, strict=True))):
            missing = max(0, side - whole)
            ends += [missing // 2, missing - missing // 2]
        return ends

    def weights(self, device: torch.device | str = "cpu") -> Tensor:
        """Return the weight of each voxel of a window, float32, 1 in its middle."""
        weight = torch.ones((), device=device)
        for side in self.sides:
            at = torch.arange(side, device=device) - (side - 1) / 2
            weight = weight[..., None] * torch.exp(-at.square() / (2 * (SIGMA * side) ** 2))
        return weight.clamp(min=LEAST)


def padded_volumes(inputs: Inputs, ends: Sequence[int]) -> dict[str, Tensor]:
    """Return volumes ``(B, C, D, H, W)`` with zeros around them."""
    return {name: F.pad(x, list(ends)) if any(ends) else x for name, x in inputs.items()}


def window_of(start: Sequence[int], sides: Sequence[int]) -> tuple[Any, ...]:
    """Return the index of the part of tensors ``(..., D, H, W)`` that a window covers."""
    return (..., *(slice(at, at + side) for at, side in zip(start, sides, strict=True)))
