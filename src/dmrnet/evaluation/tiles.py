"""Images that are too large to be predicted whole: windows over them, and what of each is kept."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Inputs

OVERLAP = 128
"""Pixels that are predicted at a window's inner edges and thrown away."""


@dataclass(frozen=True)
class Tiling:
    """How large images are parted.

    Attributes:
        side: Of a window, raised to the next multiple of the network's stride. An image with no
            longer side is predicted whole.
        overlap: Pixels at each inner edge of a window that are not kept, raised likewise.
    """

    side: int
    overlap: int = OVERLAP


@dataclass(frozen=True)
class Window:
    """One window along both axes.

    Attributes:
        seen: Rows and columns that the network sees, of the padded image.
        kept: Rows and columns of the window's own prediction that are kept ...
        place: ... and where they go in the image.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    place: tuple[slice, slice]


def raised(size: int, stride: int) -> int:
    """Return the next multiple of the stride.

    >>> raised(966, 16), raised(96, 16)
    (976, 96)
    """
    return -(-size // stride) * stride


def spans(size: int, stride: int, tiling: Tiling | None) -> list[tuple[slice, slice, slice]]:
    """Return what is seen, kept and filled along one axis.

    Windows begin at multiples of the stride and end at the padded image's end at the latest, so
    that each sees what the network would see there of the whole image. With an overlap at least as
    far as a network's output looks, the parts kept are those of the whole image.

    Args:
        size: Of the image.
        stride: Of the network: the image is padded to a multiple of it, at its end.
        tiling: None for one window.

    >>> spans(100, 16, None)
    [(slice(0, 112, None), slice(0, 100, None), slice(0, 100, None))]
    >>> [place for _, _, place in spans(100, 16, Tiling(64, 16))]
    [slice(0, 48, None), slice(48, 80, None), slice(80, 100, None)]

    Raises:
        ValueError: If the overlaps leave nothing of a window.
    """
    whole = raised(size, stride)
    side = whole if tiling is None else raised(tiling.side, stride)
    if tiling is None or side >= whole:
        return [(slice(0, whole), slice(0, size), slice(0, size))]
    overlap = raised(tiling.overlap, stride)
    step = side - 2 * overlap
    if step < stride:
        raise ValueError(
            f"expected tiles of more than {2 * overlap} pixels a side, which is twice the overlap "
            f"of {overlap}, got {tiling.side}"
        )
    found = []
    for start in range(0, whole - 2 * overlap, step):
        end = min(start + side, whole)
        first = start + overlap if start else 0
        last = min(size, end if end == whole else end - overlap)
        if last > first:
            found.append(
                (slice(start, end), slice(first - start, last - start), slice(first, last))
            )
    return found


def windows(height: int, width: int, stride: int, tiling: Tiling | None = None) -> list[Window]:
    """Return the windows of an image; what they keep fills it, each pixel once."""
    return [
        Window((rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2]))
        for rows in spans(height, stride, tiling)
        for columns in spans(width, stride, tiling)
    ]


def padded(inputs: Inputs, stride: int) -> dict[str, Tensor]:
    """Return images ``(B, C, H, W)`` with zeros at their ends, up to multiples of the stride."""
    found = {}
    for name, x in inputs.items():
        height, width = x.shape[-2:]
        ends = (0, raised(width, stride) - width, 0, raised(height, stride) - height)
        found[name] = F.pad(x, ends) if any(ends) else x
    return found


def cut(inputs: Inputs, window: Window) -> dict[str, Tensor]:
    """Return what a window shows of padded images, in memory of its own."""
    rows, columns = window.seen
    return {name: x[..., rows, columns].contiguous() for name, x in inputs.items()}
