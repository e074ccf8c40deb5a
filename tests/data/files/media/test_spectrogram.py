"""Resampling and repeating of sounds, and spectrograms against a plain transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal
from tests.data.made import media

from dmrnet.data.files.media.spectrogram import (
    DIGITS,
    PAPER,
    RELEASED,
    Spectrogram,
    repeat_to,
    resample,
)


@pytest.mark.parametrize(("rate", "new_rate"), [(16_000, 22_050), (44_100, 16_000), (8000, 16_000)])
def test_resampling_keeps_a_tone(rate: int, new_rate: int) -> None:
    found = resample(torch.from_numpy(media.tone(440, 0.5, rate)), rate, new_rate).numpy()
    expected = media.tone(440, 0.5, new_rate)
    assert len(found) == len(expected)
    assert np.abs(found - expected)[200:-200].max() < 0.01


def test_tiling_repeats() -> None:
    assert repeat_to(torch.arange(3)[None], 7).tolist() == [[0, 1, 2, 0, 1, 2, 0]]


def slow(made: Spectrogram, sound: np.ndarray) -> np.ndarray:
    """One window after the other, one frequency after the other."""
    if made.center:
        sound = np.pad(sound, made.window // 2)
    steps = np.arange(made.window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * steps / made.window)
    columns = []
    for start in range(0, len(sound) - made.window + 1, made.hop):
        piece = sound[start : start + made.window] * hann
        turns = np.outer(np.arange(made.window // 2 + 1), steps) / made.window
        magnitude = np.abs((piece * np.exp(-2j * np.pi * turns)).sum(1))
        if made.bands:
            each = made.window // 2 // made.bands
            magnitude = np.array(
                [magnitude[1 + band * each :][:each].mean() for band in range(made.bands)]
            )
        columns.append(np.log(magnitude + made.floor))
    return np.stack(columns, 1)


@pytest.mark.parametrize(
    "made",
    [
        Spectrogram(16, 5, floor=1e-3),
        Spectrogram(16, 16, center=True, floor=1e-3),
        Spectrogram(15, 4, floor=1e-3),
        Spectrogram(32, 7, floor=1e-2, bands=4),
        Spectrogram(8, 3, center=True, floor=1e-3, bands=1),
    ],
    ids=str,
)
def test_it_is_the_plain_transform(made: Spectrogram) -> None:
    sound = np.random.default_rng(0).normal(size=(3, 100))
    found = made(torch.from_numpy(sound))
    expected = np.stack([slow(made, one) for one in sound])
    assert found.shape == (3, *made.shape(100)) == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(made(torch.from_numpy(sound[1])).numpy(), expected[1], atol=1e-9)


def test_the_papers_size_is_that_of_an_overlap_of_353() -> None:
    sound = np.random.default_rng(0).normal(size=48_000)
    _, _, power = signal.spectrogram(
        sound, 16_000, "hann", nperseg=512, noverlap=353, detrend=False, scaling="spectrum"
    )
    found = PAPER(torch.from_numpy(sound))
    assert found.shape == power.shape == (257, 299)
    # The power there is that of a window of sum 1, and one-sided: twice, but at both ends.
    magnitude = np.sqrt(power / 2) * 256
    magnitude[[0, -1]] *= np.sqrt(2)
    np.testing.assert_allclose(found.exp().numpy(), magnitude + 1e-7, rtol=1e-6)


def test_sizes_of_the_known_spectrograms() -> None:
    assert PAPER(torch.zeros(160_000)).shape == (257, 1004)
    assert RELEASED(torch.zeros(66_150)).shape == (257, 188)
    assert DIGITS(torch.zeros(8_000)).shape == (64, 61)


def test_a_tone_stands_in_its_band() -> None:
    # 1000 Hz at 8 kHz: the bands are 62.5 Hz wide and begin at half a step above 0.
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)
    assert set(DIGITS(tone).argmax(0).tolist()) <= {15, 16}
    assert torch.allclose(DIGITS(torch.zeros(8000)), torch.tensor(1e-2).log())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 1, "hop": 1}, "window > 1"),
        ({"window": 8, "hop": 0}, "hop > 0"),
        ({"window": 8, "hop": 1, "floor": 0.0}, "floor > 0"),
        ({"window": 8, "hop": 1, "bands": 3}, "divide 4"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spectrogram(**settings)


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 8 samples or more .* got 7"):
        Spectrogram(8, 1)(torch.zeros(7))
