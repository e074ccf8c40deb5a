"""Smaller images: squares of pixels become one, and so do their labels."""

from __future__ import annotations

import numpy as np

from dmrnet.data.files.cache import Array


def shrunk(images: Array, by: int) -> Array:
    """Average images over squares of pixels; what is over at the right and the bottom is left out.

    Args:
        images: uint8 ``(n, C, H, W)``.
        by: Pixels a side of a square.

    Returns:
        uint8 ``(n, C, H // by, W // by)``, rounded half up.

    >>> shrunk(np.array([[[[1, 2, 9], [3, 5, 9]]]], dtype=np.uint8), 2).tolist()
    [[[[3]]]]
    """
    sums = _squares(images, by).sum((3, 5), dtype=np.uint32)
    means: Array = ((sums + by * by // 2) // (by * by)).astype(np.uint8)
    return means


def shrunk_labels(labels: Array, by: int, classes: int) -> Array:
    """Give each square of pixels its most frequent label; of equally frequent ones the lowest.

    Args:
        labels: uint8 ``(n, 1, H, W)``, below `classes`.
        by: Pixels a side of a square.
        classes: M.

    Returns:
        uint8 ``(n, 1, H // by, W // by)``.

    >>> shrunk_labels(np.array([[[[0, 2, 1], [2, 1, 1]]]], dtype=np.uint8), 2, 3).tolist()
    [[[[2]]]]
    """
    squares = _squares(labels, by)
    counts = np.stack([(squares == label).sum((3, 5)) for label in range(classes)])
    found: Array = counts.argmax(0).astype(np.uint8)
    return found


def _squares(arrays: Array, by: int) -> Array:
    """Return ``(n, C, H // by, by, W // by, by)``."""
    n, channels, height, width = arrays.shape
    high, wide = height // by, width // by
    cut = arrays[:, :, : high * by, : wide * by]
    return cut.reshape(n, channels, high, by, wide, by)
