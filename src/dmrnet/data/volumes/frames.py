"""Predicted classes of a case as labels of the volume that it was cut from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.volumes.cases import Frame


def restored(classes: Array, frame: Frame | None, numbers: Sequence[int] | None = None) -> Array:
    """Return the labels of the whole volume, along the axes of its file.

    What lies outside the case is of the first class.

    Args:
        classes: Numbers of classes ``(D, H, W)``.
        frame: Where the case was cut from; None if it is the whole volume.
        numbers: Label of each class, where the frame does not say; None for its number.

    Returns:
        Labels, uint8, or int64 where a label is above 255.

    >>> frame = Frame((2, 1, 3), (1, 0, 1), numbers=(0, 4), axes=(2, 1, 0))
    >>> restored(np.array([[[1, 0]]]), frame)[:, 0].tolist()
    [[0, 0], [0, 4], [0, 0]]
    """
    if frame is not None and frame.numbers is not None:
        numbers = frame.numbers
    labels = np.asarray(classes)
    if numbers is not None:
        wide = np.int64 if max(numbers) > 255 else np.uint8
        labels = np.array(numbers, dtype=wide)[labels]
    if frame is None:
        return labels
    background = 0 if numbers is None else numbers[0]
    return _placed(labels, np.full(frame.shape, background, dtype=labels.dtype), frame)


def restored_probabilities(values: Array, frame: Frame | None) -> Array:
    """Return the probabilities of the whole volume ``(M, ...)``, along the axes of its file.

    What lies outside the case is of the first class.

    Args:
        values: Probabilities ``(M, D, H, W)``, float32.
        frame: Where the case was cut from; None if it is the whole volume.

    >>> frame = Frame((2, 1, 3), (1, 0, 1), axes=(2, 1, 0))
    >>> values = np.array([[[[0.25, 1.0]]], [[[0.75, 0.0]]]], dtype=np.float32)
    >>> restored_probabilities(values, frame)[1, :, 0].tolist()
    [[0.0, 0.0], [0.0, 0.75], [0.0, 0.0]]
    """
    if frame is None:
        return values
    whole = np.zeros((len(values), *frame.shape), dtype=np.float32)
    whole[0] = 1
    return _placed(values, whole, frame)


def _placed(values: Array, whole: Array, frame: Frame) -> Array:
    """Put a case into the whole volume ``(..., D, H, W)``; return it along the axes of its file."""
    box: tuple[Any, ...] = tuple(
        slice(first, first + side)
        for first, side in zip(frame.start, values.shape[-3:], strict=True)
    )
    whole[(..., *box)] = values
    back = tuple(axis - 3 for axis, flip in enumerate(frame.flips) if flip)
    flipped: Array = np.flip(whole, back)
    leading = flipped.ndim - 3
    return flipped.transpose(*range(leading), *(leading + np.argsort(frame.axes)))
