"""Shrunk images: each square of pixels becomes one pixel, and so do its labels."""

from __future__ import annotations

import numpy as np

from dmrnet.data.files.cache import Array


def shrunk(images: Array, by: int) -> Array:
    """Average images over squares of pixels; a rest at the right and the bottom is cut off.

    Args:
        images: uint8 array ``(n, C, H, W)``.
        by: Side of a square, in pixels.

    Returns:
        uint8 array ``(n, C, H // by, W // by)``, rounded half up.

    >>> shrunk(np.array([[[[1, 2, 9], [3, 5, 9]]]], dtype=np.uint8), 2).tolist()
    [[[[3]]]]
    """
    sums = _squares(images, by).sum((3, 5), dtype=np.uint32)
    means: Array = ((sums + by * by // 2) // (by * by)).astype(np.uint8)
    return means


def shrunk_labels(labels: Array, by: int, classes: int) -> Array:
    """Return the most frequent label of each square; the lowest of equally frequent ones.

    Args:
        labels: uint8 array ``(n, 1, H, W)``, below `classes`.
        by: Side of a square, in pixels.
        classes: Number of classes.

    Returns:
        uint8 array ``(n, 1, H // by, W // by)``.

    >>> shrunk_labels(np.array([[[[0, 2, 1], [2, 1, 1]]]], dtype=np.uint8), 2, 3).tolist()
    [[[[2]]]]
    """
    squares = _squares(labels, by)
    counts = np.stack([(squares == label).sum((3, 5)) for label in range(classes)])
    frequent: Array = counts.argmax(0).astype(np.uint8)
    return frequent


def _squares(arrays: Array, by: int) -> Array:
    """Return ``(n, C, H // by, by, W // by, by)``."""
    n, channels, height, width = arrays.shape
    high, wide = height // by, width // by
    cut = arrays[:, :, : high * by, : wide * by]
    return cut.reshape(n, channels, high, by, wide, by)
