"""Sound: reading WAV files, and log-spectrograms of a stated size."""

from __future__ import annotations

import io
import math
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LONGEST = 2**36
"""Samples that a FLAC file can say it has; libsndfile gives a larger number where it says none."""


def read_wav(content: bytes) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples of a WAV file and how many there are in a second.

    Args:
        content: The file: 16-bit PCM. Several channels are averaged. Written to a pipe, it does
            not say how long it is, and is read as far as it goes.

    Returns:
        float32, ``(samples,)``, in [-1, 1), and the rate in Hz.

    Raises:
        ValueError: If it is no such file, is shorter than it says, or holds no sample.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            told = file.getnframes()
            raw = file.readframes(told)
    # On damaged headers it raises several kinds of error, RuntimeError without a word among them.
    except Exception as error:
        reason = str(error) or "it is damaged or ends early"
        raise ValueError(f"is no WAV file of PCM samples ({reason})") from error
    if width != 2:
        raise ValueError(f"has samples of {8 * width} bits, expected 16")
    if _is_unsaid(told * channels * width):
        raw = raw[: len(raw) // (channels * width) * channels * width]
    elif len(raw) != told * channels * width:
        raise ValueError(
            f"is cut off: its header says {told} samples, {len(raw) // (channels * width)} follow"
        )
    if not raw:
        raise ValueError("holds no sound")
    values = np.frombuffer(raw, dtype="<i2").astype(np.float32)
    # 2^-15 is exact in float32, so that reading loses nothing.
    values *= np.float32(2**-15)
    return values.reshape(-1, channels).mean(1, dtype=np.float32), rate


def read_sound(content: bytes) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples of a sound file and how many there are in a second.

    A WAV file of 16-bit samples is read here; what else libsndfile reads (other sample formats,
    FLAC, OGG) needs soundfile, of the extra ``audio-video``.

    Args:
        content: The file. Several channels are averaged.

    Returns:
        float32, ``(samples,)``, and the rate in Hz.

    Raises:
        ValueError: If it cannot be read, is shorter than it says, or holds no sample or one that
            is no number, or is a FLAC file that does not say how long it is. Only WAV and FLAC are
            looked through for that: a WAV file written to a pipe does not say how long it is, and
            other kinds (OGG, AIFF, AU, W64, RF64) are not asked; cut off, these are read as far as
            they go.
    """
    try:
        return read_wav(content)
    except ValueError as first:
        # A WAV file of 16-bit samples that is cut off must not be read as far as it goes.
        if "cut off" in str(first) or "no sound" in str(first):
            raise
        try:
            import soundfile
        except ModuleNotFoundError:
            hint = 'other files are read by soundfile: pip install "dmrnet[audio-video]"'
            raise ValueError(f"{first}; {hint}") from None
        try:
            file = soundfile.SoundFile(io.BytesIO(content))
        except (soundfile.SoundFileError, RuntimeError):
            raise first from None
    with file:
        _is_whole(content)
        told, rate = int(file.frames), int(file.samplerate)
        if told > LONGEST:
            raise ValueError(
                "does not say how long it is, as if written to a pipe; write it to a file once more"
            )
        try:
            values = file.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise ValueError(f"is damaged or cut off ({error})") from error
    if len(values) < told:
        raise ValueError(f"is cut off: its header says {told} samples, {len(values)} follow")
    if not len(values):
        raise ValueError("holds no sound")
    if not np.isfinite(values).all():
        raise ValueError("holds samples that are infinite or no numbers")
    return values.mean(1, dtype=np.float32), rate


def _is_unsaid(told: int) -> bool:
    """Return whether a length in bytes stands for one that was not known when it was written.

    Into a pipe the header goes before the sound: ffmpeg then writes the most that 32 bits hold,
    others the most that 31 bits hold or a little less, so that whole samples fit (sox, arecord).

    >>> [_is_unsaid(told) for told in (0xFFFFFFFF, 0x80000000, 0x7FFFF000, 0x7FFE0000, 0)]
    [True, True, True, False, False]
    """
    return 0x7FFF0000 <= told <= 0x80000000 or told >= 0xFFFF0000


def _is_whole(content: bytes) -> None:
    """Look whether a WAV file holds as much as it says: libsndfile reads what there is.

    Raises:
        ValueError: If it holds less.
    """
    place = 12
    while content.startswith(b"RIFF") and place + 8 <= len(content):
        told = int.from_bytes(content[place + 4 : place + 8], "little")
        there = len(content) - place - 8
        if content[place : place + 4] == b"data":
            if there < told and not _is_unsaid(told):
                raise ValueError(f"is cut off: its header says {told} bytes, {there} follow")
            return
        # A chunk of an odd size is filled up by a byte.
        place += 8 + told + told % 2


def resampled(sound: Tensor, rate: int, wanted: int) -> Tensor:
    """Return a sound at another rate, by cutting or extending its spectrum.

    Args:
        sound: float32, ``(..., n)``, at `rate` samples a second.
        rate: Of the sound.
        wanted: Of what is returned.

    Returns:
        float32, ``(..., ceil(n * wanted / rate))``.

    >>> time = torch.arange(1600, dtype=torch.float64) / 16000
    >>> tone = torch.sin(2 * torch.pi * 100 * time)
    >>> fast = resampled(tone, 16000, 22050)
    >>> expected = torch.sin(2 * torch.pi * 100 * torch.arange(2205, dtype=torch.float64) / 22050)
    >>> bool((fast - expected)[200:-200].abs().max() < 0.01)
    True
    """
    if rate == wanted:
        return sound
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    samples = sound.shape[-1]
    # The spectrum repeats the sound; silence behind it keeps its end out of its start, and the
    # whole is as long as gives a whole number of samples.
    long = down * -(-(samples + rate // 50) // down)
    new = long // down * up
    spectrum = torch.fft.rfft(sound, n=long)
    keep = min(long, new) // 2 + 1
    wide: Tensor = torch.fft.irfft(spectrum[..., :keep], n=new) * (new / long)
    return wide[..., : -(-samples * up // down)]


def tiled(sound: Tensor, samples: int) -> Tensor:
    """Return the first samples of a sound, repeated where it is shorter.

    Args:
        sound: ``(..., n)``, n at least 1.
        samples: How many.

    >>> tiled(torch.tensor([1.0, 2.0]), 5).tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    """
    times = -(-samples // sound.shape[-1])
    return sound.repeat(*[1] * (sound.dim() - 1), times)[..., :samples]


def fitted(sound: Tensor, samples: int) -> Tensor:
    """Return the first samples of a sound, with silence behind it where it is shorter.

    Args:
        sound: float32, ``(..., n)``.
        samples: How many.

    >>> fitted(torch.tensor([1.0, 2.0]), 3).tolist()
    [1.0, 2.0, 0.0]
    """
    sound = sound[..., :samples]
    return torch.nn.functional.pad(sound, (0, samples - sound.shape[-1]))


@dataclass(frozen=True)
class Spectrogram:
    """Logarithm of the magnitude of a short-time Fourier transform, under a Hann window.

    Attributes:
        window: Samples under a window; the transform has ``window // 2 + 1`` frequencies.
        hop: Samples from one window to the next.
        center: Put half a window of silence at both ends, so that a window is centred on the
            first sample; otherwise only whole windows count.
        floor: Is added to the magnitude before the logarithm.
        bands: Average the magnitudes of neighbouring frequencies to so many bands; the lowest
            frequency, the constant part, is left out. None keeps every frequency.
    """

    window: int
    hop: int
    center: bool = False
    floor: float = 1e-7
    bands: int | None = None

    def __post_init__(self) -> None:
        if self.window < 2 or self.hop < 1 or not self.floor > 0:
            raise ValueError(f"expected window > 1, hop > 0 and floor > 0, got {self}")
        if self.bands is not None and (self.bands < 1 or (self.window // 2) % self.bands):
            raise ValueError(
                f"expected bands that divide {self.window // 2} frequencies, got {self.bands}"
            )

    def shape(self, samples: int) -> tuple[int, int]:
        """Return how many frequencies or bands, and how many windows, a sound gives.

        >>> PAPER.shape(3 * 16_000), PAPER.shape(10 * 16_000), RELEASED.shape(3 * 22_050)
        ((257, 299), (257, 1004), (257, 188))

        Raises:
            ValueError: If the sound is shorter than a window.
        """
        length = samples + 2 * (self.window // 2) * self.center
        if length < self.window:
            raise ValueError(f"a sound of {samples} samples is shorter than a window, {self}")
        return self.bands or self.window // 2 + 1, 1 + (length - self.window) // self.hop

    def __call__(self, sound: Tensor) -> Tensor:
        """Return the spectrogram.

        Args:
            sound: float32, ``(..., samples)``.

        Returns:
            float32, ``(..., *shape(samples))``, lowest frequency first.
        """
        bands, windows = self.shape(sound.shape[-1])
        magnitude = torch.stft(
            sound.reshape(-1, sound.shape[-1]),
            n_fft=self.window,
            hop_length=self.hop,
            window=torch.hann_window(self.window, dtype=sound.dtype, device=sound.device),
            center=self.center,
            pad_mode="constant",
            return_complex=True,
        ).abs()
        if self.bands is not None:
            # Several neighbours at a time: (sounds, bands, neighbours, windows).
            magnitude = magnitude[:, 1 : self.window // 2 + 1]
            magnitude = magnitude.unflatten(1, (bands, -1)).mean(2)
        return (magnitude + self.floor).log().reshape(*sound.shape[:-1], bands, windows)


PAPER = Spectrogram(window=512, hop=159)
"""Sizes of the paper, at 16 kHz: 257×299 for 3 s (CREMA-D), 257×1004 for 10 s (Kinetics-Sounds).
An overlap of 353 samples gives them; it is the released code that reads 353 as the hop."""

RELEASED = Spectrogram(window=512, hop=353, center=True)
"""What the released code computes for CREMA-D, at 22.05 kHz: 257×188 for 3 s."""

HALF = Spectrogram(window=256, hop=128, center=True)
"""What the released code computes for Kinetics-Sounds, at 16 kHz: 129×626 for 5 s."""

DIGITS = Spectrogram(window=256, hop=128, floor=1e-2, bands=64)
"""For spoken digits, at 8 kHz: 64 bands of 62.5 Hz, a window of 32 ms every 16 ms; 64×61 for 1 s.
The floor lies about 76 dB below the loudest possible tone."""
