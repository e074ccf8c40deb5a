"""Moments over visible modalities, against loops."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.hemis import Moments


def slow(values: list[float], seen: list[bool], spread: str) -> tuple[float, float]:
    shown = [x for x, s in zip(values, seen, strict=True) if s]
    mean = sum(shown) / len(shown)
    if len(shown) == 1:
        return mean, 0.0
    if spread == "released":
        zeroed = [x if s else 0.0 for x, s in zip(values, seen, strict=True)]
        return mean, sum((x - mean) ** 2 for x in zeroed) / len(shown)
    by = len(shown) - 1 if spread == "sample" else len(shown)
    return mean, sum((x - mean) ** 2 for x in shown) / by


@pytest.mark.parametrize("spread", ["population", "sample", "released"])
@pytest.mark.parametrize("modalities", [1, 2, 4])
def test_moments_are_over_visible_modalities(modalities: int, spread: str) -> None:
    mask = all_combinations(modalities)
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(len(mask), modalities, 2, 1, 3, generator=draw, dtype=torch.float64)
    maps = torch.where(mask[:, :, None, None, None], values, 0.0)
    got = Moments(spread)(maps, mask)  # type: ignore[arg-type]
    assert got.shape == (len(mask), 4, 1, 3)
    for i, seen in enumerate(mask.tolist()):
        for c in range(2):
            for w in range(3):
                mean, variance = slow(values[i, :, c, 0, w].tolist(), seen, spread)
                assert got[i, c, 0, w].item() == pytest.approx(mean)
                assert got[i, 2 + c, 0, w].item() == pytest.approx(variance, abs=1e-12)


def test_an_unknown_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="population, sample or released, got 'std'"):
        Moments("std")  # type: ignore[arg-type]
