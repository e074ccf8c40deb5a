"""Resampling and repeating of sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.data.made import media

from dmrnet.data.files.waveform import repeat_to, resample


@pytest.mark.parametrize(("rate", "new_rate"), [(16_000, 22_050), (44_100, 16_000), (8000, 16_000)])
def test_resampling_keeps_a_tone(rate: int, new_rate: int) -> None:
    found = resample(torch.from_numpy(media.tone(440, 0.5, rate)), rate, new_rate).numpy()
    expected = media.tone(440, 0.5, new_rate)
    assert len(found) == len(expected)
    assert np.abs(found - expected)[200:-200].max() < 0.01


def test_tiling_repeats() -> None:
    assert repeat_to(torch.arange(3)[None], 7).tolist() == [[0, 1, 2, 0, 1, 2, 0]]
