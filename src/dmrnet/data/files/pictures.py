"""Decoding pictures held in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image


@contextmanager
def opened_picture(content: bytes, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a picture; an error in the block means that it is damaged.

    Args:
        content: Content of the file.
        formats: Formats to try, as Pillow names them; all if None.

    Raises:
        ValueError: If it cannot be opened, or the block raises.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as picture:
            yield picture
    # Pillow raises many kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(f"is not a readable picture ({error})") from error


def resized(picture: Image.Image, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a picture in RGB at another size, uint8 ``(3, height, width)``."""
    small = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))
