"""Writes small sounds, pictures and videos."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image


def tone(hertz: float, seconds: float, rate: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return stream.getvalue()


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (24, 32)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size[::-1], colour).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def video(
    path: Path,
    colours: list[tuple[int, int, int]],
    codec: str,
    sound: np.ndarray | None = None,
    rate: int = 16_000,
    per_second: int = 10,
) -> None:
    """Write frames of one colour each, and a sound."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=per_second)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        # To start threads takes ten times as long as so few frames.
        stream.codec_context.thread_count = 1
        voice = None
        if sound is not None:
            voice = container.add_stream("aac", rate=rate, options={"aac_coder": "fast"})
            voice.layout = "mono"
        for colour in colours:
            pixels = np.full((24, 32, 3), colour, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
        if voice is not None:
            for start in range(0, len(sound), 1024):
                piece = sound[None, start : start + 1024].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                container.mux(voice.encode(frame))
            container.mux(voice.encode())
