"""HD95 and Dice against slow references, and against MONAI where it is installed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmrnet.evaluation.volumes.regions import every_region, main_regions, region_dice
from dmrnet.evaluation.volumes.surface import hd95
from dmrnet.testing.batches import task_of


def slow_surface(region: np.ndarray) -> np.ndarray:
    """Return the voxels with a neighbour outside, one by one."""
    found = []
    for at in np.argwhere(region):
        for axis, step in itertools.product(range(3), (-1, 1)):
            other = at.copy()
            other[axis] += step
            inside = (other >= 0).all() and (other < region.shape).all()
            if not inside or not region[tuple(other)]:
                found.append(at)
                break
    return np.array(found)


def slow_hd95(one: np.ndarray, other: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Return the larger percentile of all pairs of distances."""
    a, b = (slow_surface(region) * np.array(spacing) for region in (one, other))
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    return max(np.percentile(distances.min(axis), 95) for axis in (0, 1))


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    one = np.zeros((7, 9, 8), dtype=bool)
    one[1:5, 2:8, 0:5] = True
    return one & (draw.random(one.shape) < 0.9), np.roll(one, seed, 1) ^ (
        draw.random(one.shape) < 0.02
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 0.7)])
def test_hd95_is_that_of_all_pairs(seed: int, spacing: tuple[float, ...]) -> None:
    """Surfaces, distances and percentiles are those of their definition, and symmetric."""
    one, other = blobs(seed)
    expected = slow_hd95(one, other, spacing)
    assert hd95(one, other, spacing) == pytest.approx(expected)
    assert hd95(other, one, spacing) == pytest.approx(expected)
    assert hd95(one, one, spacing) == 0


def test_empty_regions_follow_the_stated_convention() -> None:
    """Both empty: Dice 1, HD95 0; one empty: Dice 0, HD95 the diagonal, or what is set."""
    none, some = np.zeros((3, 4, 12), dtype=bool), np.zeros((3, 4, 12), dtype=bool)
    some[1, 1, 1] = True
    assert hd95(none, none) == 0
    for pair in ((some, none), (none, some)):
        assert hd95(*pair) == pytest.approx(13.0)
        assert hd95(*pair, (1.0, 1.0, 2.0)) == pytest.approx((9 + 16 + 24**2) ** 0.5)
        assert hd95(*pair, empty=373.13) == 373.13
    counts = torch.zeros(3, 2, 2, dtype=torch.int64)
    counts[:, 0, 0] = 143
    counts[1, 1, 0] = counts[2, 0, 1] = 1
    assert region_dice(counts, (1,)).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("numbers", [(1,), (2, 3), (1, 3), (0, 1, 2, 3)])
def test_dice_of_regions_is_that_of_their_voxels(numbers: tuple[int, ...]) -> None:
    """Counting by class and by region gives one number."""
    draw = torch.Generator().manual_seed(len(numbers))
    truth, guess = torch.randint(4, (2, 6, 6, 6), generator=draw)
    counts = (truth * 4 + guess).flatten().bincount(minlength=16).view(4, 4)
    a, b = (torch.isin(x, torch.tensor(numbers)) for x in (truth, guess))
    expected = 2 * (a & b).sum() / (a.sum() + b.sum())
    assert region_dice(counts, numbers).item() == pytest.approx(expected.item())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_monai_agrees() -> None:
    """Dice and HD95 of MONAI, with spacing, are the same numbers."""
    metrics = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    one, other = (torch.from_numpy(x)[None, None].float() for x in blobs(2))
    theirs = metrics.compute_hausdorff_distance(
        other, one, include_background=True, percentile=95, spacing=(2.5, 1.0, 0.7)
    )
    assert hd95(*blobs(2), (2.5, 1.0, 0.7)) == pytest.approx(theirs.item(), rel=1e-6)
    counts = (one * 2 + other).long().flatten().bincount(minlength=4).view(2, 2)
    assert region_dice(counts, (1,)).item() == pytest.approx(
        metrics.compute_dice(other, one).item(), rel=1e-6
    )


def test_regions_of_a_task() -> None:
    """Without regions the score is that of the classes but the first."""
    task = task_of(("volume", (1, 8, 8, 8)), dense=True)
    assert main_regions(task) == (("b", (1,)), ("c", (2,))) == every_region(task)
    regions = (("WT", (1, 2)), ("c", (2,)))
    some = replace(task, regions=regions)
    assert main_regions(some) == regions
    assert every_region(some) == (*regions, ("b", (1,)))
