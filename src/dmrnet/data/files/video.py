"""Video files: their first frame and their sound, decoded by PyAV (extra ``audio-video``)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from av.container import InputContainer

JPEG = b"\xff\xd8\xff"


@contextmanager
def opened(content: bytes) -> Iterator[InputContainer]:
    """Open a video file held in memory.

    Raises:
        ModuleNotFoundError: If PyAV is not installed.
        ValueError: If it is no video, or damaged.
    """
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
        raise ValueError(f"is no whole video ({error})") from error


def first_frame(content: bytes, least_seconds: float = 0.0) -> Image.Image:
    """Return the first frame of a video.

    Args:
        content: The file.
        least_seconds: Shorter videos are refused, where their length is stated.

    Raises:
        ValueError: If it is no video, has no picture, or is too short.
    """
    with opened(content) as container:
        if not container.streams.video:
            raise ValueError("has no picture")
        seconds = None if container.duration is None else container.duration / 1e6
        if seconds is not None and seconds < least_seconds:
            raise ValueError(f"is short: {seconds:.1f} s, expected {least_seconds:g} s at least")
        for frame in container.decode(video=0):
            return Image.fromarray(frame.to_ndarray(format="rgb24"))
    raise ValueError("has no picture that can be decoded")


def sound_of(content: bytes, rate: int) -> npt.NDArray[np.float32]:
    """Return the sound of a video, channels averaged.

    Args:
        content: The file.
        rate: Samples a second of what is returned; the decoder resamples.

    Returns:
        float32, ``(samples,)``, in [-1, 1].

    Raises:
        ValueError: If it is no video, or has no sound.
    """
    with opened(content) as container:
        from av import AudioResampler

        if not container.streams.audio:
            raise ValueError("has no sound")
        resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        parts = [
            piece.to_ndarray().reshape(-1)
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
        parts += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(None)]
    if not sum(len(part) for part in parts):
        raise ValueError("has no sound that can be decoded")
    return np.concatenate(parts).astype(np.float32)


def picture(
    content: bytes, height: int, width: int, least_seconds: float = 0.0
) -> npt.NDArray[np.uint8]:
    """Return a JPEG, or the first frame of a video, at a size.

    Args:
        content: The file.
        height: Of what is returned.
        width: Of what is returned.
        least_seconds: Shorter videos are refused.

    Returns:
        uint8, ``(3, height, width)``.

    Raises:
        ValueError: If it is neither, or damaged.
    """
    if content.startswith(JPEG):
        try:
            with Image.open(io.BytesIO(content)) as file:
                image = file.convert("RGB")
        # Pillow raises many kinds of error on a damaged file.
        except Exception as error:
            raise ValueError(f"is no whole JPEG ({error})") from error
    else:
        image = first_frame(content, least_seconds).convert("RGB")
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))
