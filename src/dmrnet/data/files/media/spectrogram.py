"""Sound as input of a model: sampling rate, length, and log-spectrograms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def resample(sound: Tensor, rate: int, new_rate: int) -> Tensor:
    """Return a sound at another sampling rate in Hz, by cutting or extending its spectrum.

    The sound is float32 ``(..., n)``, the result ``(..., ceil(n * new_rate / rate))``.

    >>> time = torch.arange(1600, dtype=torch.float64) / 16000
    >>> tone = torch.sin(2 * torch.pi * 100 * time)
    >>> fast = resample(tone, 16000, 22050)
    >>> expected = torch.sin(2 * torch.pi * 100 * torch.arange(2205, dtype=torch.float64) / 22050)
    >>> bool((fast - expected)[200:-200].abs().max() < 0.01)
    True
    """
    if rate == new_rate:
        return sound
    common = math.gcd(rate, new_rate)
    up, down = new_rate // common, rate // common
    samples = sound.shape[-1]
    # A discrete spectrum is that of a repeated sound: silence after the end separates it from the
    # start. The padded length gives a whole number of new samples.
    padded = down * -(-(samples + rate // 50) // down)
    new = padded // down * up
    spectrum = torch.fft.rfft(sound, n=padded)
    kept = min(padded, new) // 2 + 1
    result: Tensor = torch.fft.irfft(spectrum[..., :kept], n=new) * (new / padded)
    return result[..., : -(-samples * up // down)]


def repeat_to(sound: Tensor, samples: int) -> Tensor:
    """Return the first samples of a sound ``(..., n)``, n at least 1, repeated where too short.

    >>> repeat_to(torch.tensor([1.0, 2.0]), 5).tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    """
    times = -(-samples // sound.shape[-1])
    return sound.repeat(*[1] * (sound.dim() - 1), times)[..., :samples]


@dataclass(frozen=True)
class Spectrogram:
    """Logarithm of the magnitude of a short-time Fourier transform with a Hann window.

    Attributes:
        window: Number of samples in a window; the transform has ``window // 2 + 1`` frequencies.
        hop: Number of samples from one window to the next.
        center: Pad both ends with half a window of silence, so that the first window is centred on
            the first sample; otherwise only whole windows are used.
        floor: Number added to the magnitude before the logarithm.
        bands: Number of bands into which the magnitudes of neighbouring frequencies are averaged,
            without the lowest frequency, the constant part. None keeps every frequency.
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
        """Return the number of frequencies or bands, and of windows, of a sound.

        >>> PAPER.shape(3 * 16_000), PAPER.shape(10 * 16_000), RELEASED.shape(3 * 22_050)
        ((257, 299), (257, 1004), (257, 188))

        Raises:
            ValueError: If the sound is shorter than a window.
        """
        length = samples + 2 * (self.window // 2) * self.center
        if length < self.window:
            raise ValueError(f"expected {self.window} samples or more for {self}, got {samples}")
        return self.bands or self.window // 2 + 1, 1 + (length - self.window) // self.hop

    def __call__(self, sound: Tensor) -> Tensor:
        """Return float32 ``(..., *shape(samples))``, lowest frequency first.

        Args:
            sound: float32, ``(..., samples)``.
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
            # (sounds, bands, neighbours, windows)
            magnitude = magnitude[:, 1 : self.window // 2 + 1].unflatten(1, (bands, -1)).mean(2)
        return (magnitude + self.floor).log().reshape(*sound.shape[:-1], bands, windows)


PAPER = Spectrogram(window=512, hop=159)
"""The paper's sizes at 16 kHz: 257×299 for 3 s (CREMA-D), 257×1004 for 10 s (Kinetics-Sounds).
They follow from an overlap of 353 samples, which the released code takes for the hop."""

RELEASED = Spectrogram(window=512, hop=353, center=True)
"""The released code's for CREMA-D at 22.05 kHz: 257×188 for 3 s."""

HALF = Spectrogram(window=256, hop=128, center=True)
"""The released code's for Kinetics-Sounds at 16 kHz: 129×626 for 5 s."""

DIGITS = Spectrogram(window=256, hop=128, floor=1e-2, bands=64)
"""Spoken digits at 8 kHz: 64 bands of 62.5 Hz, a window of 32 ms every 16 ms; 64×61 for 1 s.
The floor lies about 76 dB below the loudest possible tone."""
