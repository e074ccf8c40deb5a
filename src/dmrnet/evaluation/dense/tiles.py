"""Windows over images that are too large to be predicted whole."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Inputs

OVERLAP = 128
"""Number of pixels at a window's inner edges whose predictions are discarded."""


@dataclass(frozen=True)
class Tiling:
    """Tiling of large images.

    Attributes:
        side: Side of a window in pixels, rounded up to a multiple of the network's stride. Images
            without a longer side are predicted whole.
        overlap: Number of discarded pixels at each inner edge of a window, rounded up likewise.
    """

    side: int
    overlap: int = OVERLAP


@dataclass(frozen=True)
class Window:
    """Rows and columns of one window.

    Attributes:
        seen: Input of the network, in the padded image.
        kept: Part of the window's prediction that is kept.
        target: Position of the kept part in the image.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    target: tuple[slice, slice]


def round_up(size: int, stride: int) -> int:
    """Return the next multiple of the stride.

    >>> round_up(966, 16), round_up(96, 16)
    (976, 96)
    """
    return -(-size // stride) * stride


def spans(size: int, stride: int, tiling: Tiling | None) -> list[tuple[slice, slice, slice]]:
    """Return the input, kept part and target of each window along one axis.

    Windows begin at multiples of the stride and do not exceed the padded image, so that the
    network's grid is the same as for the whole image. With an overlap of at least the network's
    receptive radius, the kept parts equal those of the whole image.

    Args:
        size: Size of the image.
        stride: Stride of the network; the image is padded to a multiple of it, at its end.
        tiling: Tiling, or None for one window.

    >>> spans(100, 16, None)
    [(slice(0, 112, None), slice(0, 100, None), slice(0, 100, None))]
    >>> [target for _, _, target in spans(100, 16, Tiling(64, 16))]
    [slice(0, 48, None), slice(48, 80, None), slice(80, 100, None)]

    Raises:
        ValueError: If the overlaps leave nothing of a window.
    """
    whole = round_up(size, stride)
    side = whole if tiling is None else round_up(tiling.side, stride)
    if tiling is None or side >= whole:
        return [(slice(0, whole), slice(0, size), slice(0, size))]
    overlap = round_up(tiling.overlap, stride)
    step = side - 2 * overlap
    if step < stride:
        raise ValueError(
            f"expected tiles of more than {2 * overlap} pixels a side, twice the overlap of "
            f"{overlap}, got {tiling.side}"
        )
    parts = []
    for start in range(0, whole - 2 * overlap, step):
        end = min(start + side, whole)
        first = start + overlap if start else 0
        last = min(size, end if end == whole else end - overlap)
        if last > first:
            parts.append(
                (slice(start, end), slice(first - start, last - start), slice(first, last))
            )
    return parts


def windows(height: int, width: int, stride: int, tiling: Tiling | None = None) -> list[Window]:
    """Return the windows of an image; their kept parts cover each pixel once."""
    rows, columns = spans(height, stride, tiling), spans(width, stride, tiling)
    return [Window(*zip(row, column, strict=True)) for row in rows for column in columns]


def padded(inputs: Inputs, stride: int) -> dict[str, Tensor]:
    """Pad images ``(B, C, H, W)`` at their ends with zeros to multiples of the stride."""
    images = {}
    for name, x in inputs.items():
        height, width = x.shape[-2:]
        ends = (0, round_up(width, stride) - width, 0, round_up(height, stride) - height)
        images[name] = F.pad(x, ends) if any(ends) else x
    return images


def cut(inputs: Inputs, window: Window) -> dict[str, Tensor]:
    """Return a contiguous copy of a window of padded images."""
    rows, columns = window.seen
    return {name: x[..., rows, columns].contiguous() for name, x in inputs.items()}
