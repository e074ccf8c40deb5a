"""Changing the rate and the length of a sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def resample(sound: Tensor, rate: int, new_rate: int) -> Tensor:
    """Return a sound at another sampling rate, by cutting or extending its spectrum.

    Args:
        sound: Samples, float32 ``(..., n)``.
        rate: Sampling rate of `sound` in Hz.
        new_rate: Sampling rate of the result in Hz.

    Returns:
        float32, ``(..., ceil(n * new_rate / rate))``.

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
    """Return the first samples of a sound, which is repeated where it is shorter.

    Args:
        sound: ``(..., n)``, n at least 1.
        samples: Number of samples to return.

    >>> repeat_to(torch.tensor([1.0, 2.0]), 5).tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    """
    times = -(-samples // sound.shape[-1])
    return sound.repeat(*[1] * (sound.dim() - 1), times)[..., :samples]
