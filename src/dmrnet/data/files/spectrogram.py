"""Log-spectrograms, and the sizes of them that are used."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
