"""Fusion of the modalities' features under a mask (Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Where

Extras = Mapping[str, tuple[Tensor, ...]]
"""Tensors that terms of the loss read, by name; one or several, such as one for each level."""


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


def over_maps(values: Tensor, maps: Tensor) -> Tensor:
    """Return values ``(B, ...)`` of samples with axes of length 1, as many as maps have.

    >>> over_maps(torch.ones(2, 3), torch.ones(2, 3, 8, 5, 5)).shape
    torch.Size([2, 3, 1, 1, 1])
    """
    return values.view(*values.shape, *[1] * (maps.dim() - values.dim()))


def over_space(maps: Tensor) -> tuple[int, ...]:
    """Return the axes of space of maps ``(B, C, ...)``."""
    return tuple(range(2, maps.dim()))


def masked_all(feats: Inputs, names: Iterable[str], mask: Tensor) -> list[Tensor]:
    """Return the named features, one for each column of the mask, with hidden rows zeroed."""
    return [masked(feats[name], column) for name, column in zip(names, mask.unbind(1), strict=True)]


class Fusion(nn.Module):
    """Base class of fusions: features of each modality and a mask become one map.

    A subclass defines `forward`. Its other methods are optional: they only save time.

    Attributes:
        stride: Number that must divide the height and width of images in a dense task.
        given: Whether it is one that the user gave in place of the network's.
    """

    stride: int = 1
    given: bool = False

    def forward(self, feats: Any, mask: Tensor) -> Fused:  # noqa: ANN401
        """Fuse the visible modalities.

        Args:
            feats: Features ``(B, ...)`` by name, or what `CachedFeatures.select` returned.
            mask: Bool tensor of shape ``(B, V)``, True where a modality is visible.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")

    def fuse_rows(self, feats: Inputs, mask: Tensor, rows: Where) -> Fused:
        """Fuse under a mask that is also known as row numbers; in training.

        Args:
            feats: Features ``(B, ...)`` by name, zero in the other rows, as `Method.encode` leaves
                rows that are not encoded.
            mask: Bool tensor of shape ``(B, V)``.
            rows: Int64 rows in which each modality is visible; None for every row.
        """
        fused: Fused = self(feats, mask)
        return fused

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Compute what does not depend on the mask; once per sample, in evaluation."""
        return CachedFeatures(feats)

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Drop the weights that only other modalities need, for deployment.

        Returns:
            Whether the fusion now takes features and masks of these modalities alone.
        """
        return False
