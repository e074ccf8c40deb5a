"""ShaSpec's imputation as released, against a loop."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.shaspec import filled_as_released


def slow_released(shown: list[bool], r: list[float]) -> list[float]:
    """The three blocks of the released adaptation, in order, on single numbers."""
    m1, m2, m3 = (x if seen else 0.0 for x, seen in zip(r, shown, strict=True))
    missing1, missing2, missing3 = (not seen for seen in shown)
    if missing1:
        m1 = (m2 + m3) / (1 if missing2 != missing3 else 2)
    if missing2:
        m2 = (m1 + m3) / (1 if missing1 != missing3 else 2)
    if missing3:
        m3 = (m1 + m3) / (1 if missing1 != missing2 else 2)
    return [m1, m2, m3]


def test_imputation_as_released_has_its_errors() -> None:
    masks = all_combinations(3)
    shared = torch.randn(len(masks), 3, 2, 1, 2, dtype=torch.float64)
    got = filled_as_released(torch.where(masks[:, :, None, None, None], shared, 0.0), masks)
    for n, shown in enumerate(masks.tolist()):
        for c in range(2):
            for w in range(2):
                expected = slow_released(shown, shared[n, :, c, 0, w].tolist())
                assert got[n, :, c, 0, w].tolist() == pytest.approx(expected)
    # With the third alone the second is twice it; with the first two the third is half the first.
    alone = masks.tolist().index([False, False, True])
    torch.testing.assert_close(got[alone, 1], 2 * shared[alone, 2])
    two = masks.tolist().index([True, True, False])
    torch.testing.assert_close(got[two, 2], shared[two, 0] / 2)
    # One and two modalities are filled without errors.
    for v in (1, 2):
        some = all_combinations(v)
        maps = torch.where(some[:, :, None, None, None], torch.randn(len(some), v, 2, 1, 1), 0.0)
        mean = maps.sum(1, keepdim=True) / some.sum(1).view(-1, 1, 1, 1, 1)
        expected = torch.where(some[:, :, None, None, None], maps, mean)
        torch.testing.assert_close(filled_as_released(maps, some), expected)
