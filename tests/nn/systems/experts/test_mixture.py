"""Fitted weights of predictors, against a search over a grid."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from dmrnet.nn.systems.experts.mixture import fit_weights


def loss(columns: torch.Tensor, target: torch.Tensor, weights: tuple[float, ...]) -> float:
    """Sum of cross-entropies, by loops, and half the squared distance to weights of 1/2."""
    total = sum((w - 0.5) ** 2 for w in weights) / 2
    for row, y in zip(columns.tolist(), target.tolist(), strict=True):
        z = [sum(w * x[m] for w, x in zip(weights, row, strict=True)) for m in range(3)]
        total += math.log(sum(map(math.exp, z))) - z[y]
    return total


@pytest.mark.parametrize("seed", range(4))
def test_no_weights_of_a_grid_are_better(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    target = torch.randint(3, (12,), generator=draw)
    columns = torch.randn(12, 2, 3, generator=draw) * torch.tensor([3.0, 1.0])[:, None]
    columns[:, 0] += torch.nn.functional.one_hot(target, 3)
    found = fit_weights(columns, target, torch.full((2,), 0.5), strength=1.0)
    assert bool((found >= 0).all())
    best = loss(columns, target, tuple(found.tolist()))
    grid = [k / 10 for k in range(21)]
    assert best <= min(loss(columns, target, pair) for pair in itertools.product(grid, grid))
