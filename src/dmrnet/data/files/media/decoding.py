"""Decoding files held in memory: pictures, and by PyAV (extra ``audio-video``) videos."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from av.container import InputContainer

BILINEAR = Image.Resampling.BILINEAR

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Modes of Pillow with one channel of more than 8 bits."""

JPEG = b"\xff\xd8\xff"
"""First bytes of a JPEG file."""


MOST_PIXELS = 50_000_000
"""Most pixels of a picture that somebody sends."""


@contextmanager
def opened_picture(content: bytes, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a picture; raise ValueError if it cannot be opened, or the block raises.

    `formats` are those to try, as Pillow names them; all if None.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as picture:
            yield picture
    # Pillow raises many kinds of error on a damaged file.
    except Exception as error:
        # Pillow names the object that it read from.
        reason = re.sub(r" <_io\.[^>]*>", "", str(error))
        raise ValueError(f"is not a readable picture ({reason})") from error


def check_pixels(content: bytes, formats: tuple[str, ...]) -> None:
    """Raise ValueError if a picture is of none of some formats, or has too many pixels.

    Only its head is read.
    """
    with opened_picture(content, formats) as picture:
        width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"expected at most {MOST_PIXELS} pixels, got a picture of {height} x {width}"
        )


def pixel_values(
    picture: Image.Image, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8 | np.uint16 | np.int32 | np.float32]:
    """Return the values of a picture ``(C, H, W)``, in the range that its file has.

    Pictures of one channel keep their bits: uint8, uint16 as of a depth camera, int32 or float32.
    Others are uint8: RGB, or RGBA where there is transparency. A photo that its camera took on its
    side (EXIF) is turned upright, as viewers show it.

    Args:
        picture: The picture.
        size: Height and width, to which it is resized; None keeps its size.

    >>> depth = Image.fromarray(np.full((2, 3), 4300, dtype=np.uint16))
    >>> int(pixel_values(depth).max()), pixel_values(depth, (1, 1)).dtype
    (4300, dtype('uint16'))
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in DEEP or picture.mode in ("1", "L"):
        values = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
        if size is not None:
            # Pillow resizes 16 bits as if they were 8; as floating point it keeps them.
            small = Image.fromarray(values.astype(np.float32)).resize(size[::-1], BILINEAR)
            floats = np.asarray(small)
            values = (floats if values.dtype == np.float32 else floats.round()).astype(values.dtype)
        return np.ascontiguousarray(values[None])
    rgb = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    # Pillow would resize colours weighed by how opaque they are: each channel is resized alone.
    bands = rgb.split() if size is None else [b.resize(size[::-1], BILINEAR) for b in rgb.split()]
    return np.stack([np.asarray(band, dtype=np.uint8) for band in bands])


def as_rgb(picture: Image.Image) -> Image.Image:
    """Return a picture in RGB with 8 bits; raise ValueError if that would cut its values off."""
    if picture.mode in DEEP:
        raise ValueError(
            f"has more than 8 bits a pixel ({picture.mode}), of which RGB would keep only values "
            "up to 255"
        )
    return picture.convert("RGB")


def resized(picture: Image.Image, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a picture in RGB at another size, uint8 ``(3, height, width)``; see `as_rgb`."""
    small = as_rgb(picture).resize((width, height), BILINEAR)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))


@contextmanager
def opened_video(content: bytes) -> Iterator[InputContainer]:
    """Open a video; raise ValueError if it is none, or the block finds it damaged."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'video files are decoded by PyAV, which is not installed: pip install "dmrnet['
            'audio-video]"'
        ) from error
    try:
        with av.open(io.BytesIO(content), mode="r") as container:
            yield container
    except (av.FFmpegError, EOFError, IndexError) as error:
        raise ValueError(f"is not a readable video ({error})") from error


def first_frame(content: bytes, least_seconds: float = 0.0) -> Image.Image:
    """Return the first frame of a video; raise ValueError if it has none or is too short."""
    with opened_video(content) as container:
        if not container.streams.video:
            raise ValueError("has no picture")
        seconds = None if container.duration is None else container.duration / 1e6
        if seconds is not None and seconds < least_seconds:
            raise ValueError(f"is short: {seconds:.1f} s, expected {least_seconds:g} s at least")
        for frame in container.decode(video=0):
            return Image.fromarray(frame.to_ndarray(format="rgb24"))
    raise ValueError("has no picture that can be decoded")


def sound_of(content: bytes, rate: int) -> npt.NDArray[np.float32]:
    """Return the sound of a video, resampled by the decoder to a rate in Hz.

    It is the mean over the channels, float32 ``(samples,)`` in [-1, 1].

    Raises:
        ValueError: If it is no video, or has no sound.
    """
    with opened_video(content) as container:
        from av import AudioResampler

        if not container.streams.audio:
            raise ValueError("has no sound")
        resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        # None at the end flushes the resampler.
        parts = [
            piece.to_ndarray().reshape(-1)
            for frame in chain(container.decode(audio=0), [None])
            for piece in resampler.resample(frame)
        ]
    if not sum(map(len, parts)):
        raise ValueError("has no sound that can be decoded")
    return np.concatenate(parts).astype(np.float32)


def picture(
    content: bytes, height: int, width: int, least_seconds: float = 0.0
) -> npt.NDArray[np.uint8]:
    """Return a JPEG, or the first frame of a video, in RGB as uint8 ``(3, height, width)``.

    Raises:
        ValueError: If it is neither, damaged, or too short; see `first_frame`.
    """
    if not content.startswith(JPEG):
        return resized(first_frame(content, least_seconds), height, width)
    with opened_picture(content) as image:
        return resized(image, height, width)
