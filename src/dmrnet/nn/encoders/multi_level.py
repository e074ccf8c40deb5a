"""Encoders of images or volumes that return several maps, for dense prediction."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.nn.encoders.rows import encode_rows


class MultiLevelEncoder(nn.Module):
    """Base class of encoders that return several maps: by default one for each level.

    A subclass defines `parts`, each of which halves the size by default, or its own `encode`.

    Attributes:
        widths: Number of channels of each level's map, shallow levels first.
        stride: Number that must divide the sides of images or volumes.
        halves_first: Whether the first level halves the size, as all others do.
    """

    widths: Sequence[int]
    stride: int
    halves_first: bool = True

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that compute each level's map from the one before."""
        raise TypeError(f"{type(self).__name__} has no parts")

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as the deepest map; `encode` returns all of them."""
        return self.encode("", x)[feature_name("", len(self.widths) - 1)]

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map of every level: level k is ``(B, C_k, H / 2^(k+1), W / 2^(k+1))``.

        If the first level does not halve the size, level k has half of level k - 1 from the second
        level on. Volumes have a depth, too.

        Args:
            modality: Name of the modality, for the keys (see `feature_name`) and messages.
            x: Images ``(B, C, H, W)`` with sides that `stride` divides; so for volumes.
            rows: Int64 row numbers to encode, other rows are zeros; None for every row.

        Raises:
            ValueError: If `stride` does not divide a side.
        """
        check_divisible(modality, x, self.stride)
        size = tuple(x.shape[2:])
        maps = {}
        for level, (part, channels) in enumerate(zip(self.parts, self.widths, strict=True)):
            size = self.size_after(level, size)
            x = encode_rows(part, x, rows, (channels, *size))
            maps[feature_name(modality, level)] = x
        return maps

    def size_after(self, level: int, size: Sequence[int]) -> tuple[int, ...]:
        """Return the size of a level's map from that of the level before, or of the image."""
        return tuple(size) if level == 0 and not self.halves_first else tuple(s // 2 for s in size)


def feature_name(modality: str, level: int) -> str:
    """Return the key of a level's map, such as ``depth.0`` for the first level."""
    return f"{modality}.{level}"


def check_divisible(modality: str, x: Tensor, stride: int) -> None:
    """Raise a ValueError if a stride does not divide the sides of ``(B, C, ...)``."""
    size = x.shape[2:]
    if any(side % stride for side in size):
        up = " x ".join(str(-(-side // stride) * stride) for side in size)
        images, sides, tiles = "images (or tiles)", "height and width", "tiles"
        if len(size) == 3:
            images, sides, tiles = "volumes (or patches)", "depth, height and width", "patches"
        raise ValueError(
            f"{f'modality {modality}' if modality else 'training'}: expected {images} "
            f"with a {sides} divisible by {stride}, got {' x '.join(map(str, size))}; pad or "
            f"resize all modalities and the labels to {up}, or train on {tiles} of such a size"
        )
