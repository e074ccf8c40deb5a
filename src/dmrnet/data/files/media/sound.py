"""Reading sound files: 16-bit WAV by the standard library, other formats by soundfile."""

from __future__ import annotations

import io
import wave

import numpy as np
import numpy.typing as npt

MAX_SAMPLES = 2**36
"""Largest length that a FLAC file can state; libsndfile reports more where it states none."""

Samples = npt.NDArray[np.float32]


class OtherFormatError(ValueError):
    """A file that is not WAV of 16-bit PCM samples."""


def read_wav(content: bytes) -> tuple[Samples, int]:
    """Return the mean over the channels of 16-bit WAV, and its sampling rate; see `read_sound`.

    Raises:
        OtherFormatError: If it is another kind of file.
        ValueError: If it is cut off or holds no sample.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            stated = file.getnframes()
            raw = file.readframes(stated)
    # A damaged header raises several kinds of error, RuntimeError without a message among them.
    except Exception as error:
        reason = str(error) or "it is damaged or cut off"
        raise OtherFormatError(f"is not a WAV file of PCM samples ({reason})") from error
    if width != 2:
        raise OtherFormatError(f"expected samples of 16 bits, got {8 * width} bits")
    frame = channels * width
    if _is_unknown(stated * frame):
        raw = raw[: len(raw) // frame * frame]
    elif len(raw) != stated * frame:
        raise ValueError(_cut_off(stated, len(raw) // frame, "samples"))
    if not raw:
        raise ValueError("holds no sound")
    values = np.frombuffer(raw, dtype="<i2").astype(np.float32)
    # 2^-15 is exact in float32, so no precision is lost.
    values *= np.float32(2**-15)
    return values.reshape(-1, channels).mean(1, dtype=np.float32), rate


def read_sound(content: bytes) -> tuple[Samples, int]:
    """Return the content of a sound file.

    Formats other than 16-bit WAV (other WAV samples, FLAC, OGG and what else libsndfile reads) need
    soundfile, of the extra ``audio-video``. Only WAV and FLAC are checked for being cut off; other
    formats (OGG, AIFF, AU, W64, RF64), and WAV files written to a pipe, are read to their end.

    Returns:
        Mean over the channels, float32 ``(samples,)``, in [-1, 1) if the file is 16-bit WAV, and
        the sampling rate in Hz.

    Raises:
        ValueError: If the file cannot be read, is cut off, holds no sample or one that is not
            finite, or is a FLAC file that does not state its length.
    """
    try:
        return read_wav(content)
    except OtherFormatError as error:
        not_wav = error
    try:
        import soundfile
    except ModuleNotFoundError:
        hint = 'other formats need soundfile: pip install "dmrnet[audio-video]"'
        raise ValueError(f"{not_wav}; {hint}") from None
    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, RuntimeError):
        raise not_wav from None
    with file:
        _check_complete(content)
        stated, rate = int(file.frames), int(file.samplerate)
        if stated > MAX_SAMPLES:
            raise ValueError(
                "does not state its length, as if written to a pipe; write it to a file once more"
            )
        try:
            values = file.read(dtype="float32", always_2d=True)
        # A damaged header may state more samples than fit into memory.
        except (soundfile.SoundFileError, RuntimeError, MemoryError) as error:
            raise ValueError(f"is damaged or cut off ({error})") from error
    if len(values) < stated:
        raise ValueError(_cut_off(stated, len(values), "samples"))
    if not len(values):
        raise ValueError("holds no sound")
    if not np.isfinite(values).all():
        raise ValueError("holds samples that are NaN or infinite")
    return values.mean(1, dtype=np.float32), rate


def _cut_off(expected: int, got: int, unit: str) -> str:
    return f"is cut off: expected {expected} {unit} as its header states, got {got}"


def _is_unknown(size: int) -> bool:
    """Return whether a size in bytes stands for one that was unknown when the header was written.

    A header written to a pipe precedes the sound: ffmpeg then states the largest size of 32 bits,
    others (sox, arecord) the largest of 31 bits or a little less, a multiple of the frame size.

    >>> [_is_unknown(size) for size in (0xFFFFFFFF, 0x80000000, 0x7FFFF000, 0x7FFE0000, 0)]
    [True, True, True, False, False]
    """
    return 0x7FFF0000 <= size <= 0x80000000 or size >= 0xFFFF0000


def _check_complete(content: bytes) -> None:
    """Raise ValueError if a WAV file is shorter than it states; libsndfile does not check that."""
    position = 12
    while content.startswith(b"RIFF") and position + 8 <= len(content):
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        rest = len(content) - position - 8
        if content[position : position + 4] == b"data":
            if rest < size and not _is_unknown(size):
                raise ValueError(_cut_off(size, rest, "bytes"))
            return
        # A chunk of odd size is followed by a padding byte.
        position += 8 + size + size % 2
