"""Fusion by concatenation (Eq. 1), against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.nn.plain import slow_grid
from torch import nn

from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.nn.layers.linear_start import trunk

SHAPES = {"a": (2, 4, 6), "b": (3, 1, 10), "c": (2, 5, 7), "d": (1, 8, 9)}
MASK = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]).bool()


def features(batch: int = 4) -> dict[str, torch.Tensor]:
    return {name: torch.randn(batch, *shape) for name, shape in SHAPES.items()}


def test_fusion_is_the_trunk_of_masked_maps_side_by_side() -> None:
    feats = features()
    fusion = ConcatFusion(SHAPES, nn.Identity())
    fused = fusion(feats, MASK).map.numpy()
    assert fusion.grid == (4, 6)
    for i in range(4):
        parts = []
        for v, name in enumerate(SHAPES):
            delta = float(MASK[i, v])
            parts.append(slow_grid(feats[name][i].numpy() * delta, (4, 6)))
        np.testing.assert_allclose(fused[i], np.concatenate(parts), atol=1e-6)


def test_trunk_follows_the_concatenation() -> None:
    block = trunk(8, 5, depth=2, kernel=3)
    fusion = ConcatFusion(SHAPES, block)
    feats = features()
    side_by_side = ConcatFusion(SHAPES, nn.Identity())(feats, MASK).map
    fusion.eval()
    assert torch.equal(fusion(feats, MASK).map, block(side_by_side))
    assert fusion(feats, MASK).map.shape == (4, 5, 4, 6)


def test_a_vector_makes_maps_meet_at_one_position_by_their_means() -> None:
    shapes = {**SHAPES, "e": (4, 1, 1)}
    feats = {**features(), "e": torch.randn(4, 4, 1, 1)}
    mask = torch.ones(4, 5).bool()
    fused = ConcatFusion(shapes, nn.Identity())(feats, mask).map
    means = torch.cat([feats[name].mean((2, 3)) for name in shapes], 1)
    torch.testing.assert_close(fused[..., 0, 0], means)


def test_order_of_modalities_comes_from_the_shapes_and_not_from_the_features() -> None:
    feats = features()
    backwards = dict(reversed(feats.items()))
    fusion = ConcatFusion(SHAPES, nn.Identity())
    assert torch.equal(fusion(feats, MASK).map, fusion(backwards, MASK).map)


@pytest.mark.parametrize("with_vector", [True, False])
def test_prepared_features_are_fused_like_the_features(with_vector: bool) -> None:
    feats = {
        "a": torch.randn(4, 2, 6, 5),
        "b": torch.randn(4, 3, 4, 4),
        "c": torch.randn(4, 2, 1, 9),
    }
    if with_vector:
        feats["d"] = torch.randn(4, 2, 1, 1)
    fusion = ConcatFusion({name: tuple(f.shape[1:]) for name, f in feats.items()}, nn.Identity())
    mask = torch.rand(4, len(feats)) < 0.5
    # What is hidden may be anything.
    feats["a"][~mask[:, 0]] = torch.nan
    cached = fusion.prepare(feats)
    selected = cached.select(torch.arange(4), mask)
    assert torch.equal(fusion(selected, mask).map, fusion(feats, mask).map)
    assert cached.row_size == sum(f.shape[1:].numel() for f in selected.values())
    assert all(selected[name].numel() <= f.numel() for name, f in feats.items())
    assert selected["a"].shape[2:] == fusion.grid


def test_a_sum_is_fused_under_its_own_mask_only() -> None:
    fusion = ConcatFusion(SHAPES, trunk(8, 5, depth=1)).eval()
    cached = fusion.prepare(features())
    assert cached.row_size == 5 * 4 * 6  # one modality's: the visible ones are added by then
    selected = cached.select(torch.arange(4), MASK)
    fusion(selected, MASK)
    with pytest.raises(ValueError, match="selected for another mask"):
        fusion(selected, ~MASK)
