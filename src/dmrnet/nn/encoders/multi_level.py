"""Encoders of images that return several maps, for dense prediction."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.nn.encoders.rows import encode_rows


class MultiLevelEncoder(nn.Module):
    """Base class of encoders that return several maps: by default one for each level.

    A subclass defines `parts`, each of which halves the size, or its own `encode`.

    Attributes:
        widths: Number of channels of each level's map, shallow levels first.
        stride: Number that must divide the height and width of images.
    """

    widths: Sequence[int]
    stride: int

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that compute each level's map from the one before."""
        raise TypeError(f"{type(self).__name__} has no parts")

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as the deepest map; `encode` returns all of them."""
        return self.encode("", x)[feature_name("", len(self.widths) - 1)]

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map of every level: level k is ``(B, C_k, H / 2^(k+1), W / 2^(k+1))``.

        Args:
            modality: Name of the modality, for the keys (see `feature_name`) and messages.
            x: Images ``(B, C, H, W)`` with a height and width that `stride` divides.
            rows: Int64 row numbers to encode, other rows are zeros; None for every row.

        Raises:
            ValueError: If `stride` does not divide the height and width.
        """
        check_divisible(modality, x, self.stride)
        height, width = x.shape[-2:]
        maps = {}
        for level, (part, channels) in enumerate(zip(self.parts, self.widths, strict=True)):
            height, width = height // 2, width // 2
            x = encode_rows(part, x, rows, (channels, height, width))
            maps[feature_name(modality, level)] = x
        return maps


def feature_name(modality: str, level: int) -> str:
    """Return the key of a level's map, such as ``depth.0`` for the first level."""
    return f"{modality}.{level}"


def check_divisible(modality: str, x: Tensor, stride: int) -> None:
    """Raise a ValueError if a stride does not divide the height and width of ``(B, C, H, W)``."""
    height, width = x.shape[-2:]
    if height % stride or width % stride:
        up = [-(-size // stride) * stride for size in (height, width)]
        raise ValueError(
            f"{f'modality {modality}' if modality else 'training'}: expected images (or tiles) "
            f"with a height and width divisible by {stride}, got {height} x {width}; pad or resize "
            f"all modalities and the labels to {up[0]} x {up[1]}, or train on tiles of such a size"
        )
