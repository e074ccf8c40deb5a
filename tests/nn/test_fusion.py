"""Eq. 1-2: what fusion makes of masked features, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dmrnet.modalities.rows import channels_last, take_rows
from dmrnet.nn.fusion import (
    ConcatFusion,
    added,
    added_rows,
    common_grid,
    masked,
    to_grid,
    trunk,
)

SHAPES = {"a": (2, 4, 6), "b": (3, 1, 10), "c": (2, 5, 7), "d": (1, 8, 9)}
MASK = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]).bool()


def features(batch: int = 4) -> dict[str, torch.Tensor]:
    return {name: torch.randn(batch, *shape) for name, shape in SHAPES.items()}


def stretches(length: int, cells: int) -> list[slice]:
    """Where each cell of a line begins and ends: cell i is [i n/k, (i+1) n/k), rounded outwards."""
    return [slice(i * length // cells, -(-(i + 1) * length // cells)) for i in range(cells)]


def slow_grid(feature: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Bring one sample's map (C, h, w) to a grid, cell by cell."""
    channels, h, w = feature.shape
    out = np.zeros((channels, *grid))
    for c in range(channels):
        for row in range(grid[0]):
            for column in range(grid[1]):
                if h == w == 1:
                    cell = feature[c]
                elif h == 1 and grid[0] > 1:
                    place = stretches(w, grid[0] * grid[1])[row * grid[1] + column]
                    cell = feature[c, 0, place]
                else:
                    rows, columns = stretches(h, grid[0])[row], stretches(w, grid[1])[column]
                    cell = feature[c, rows, columns]
                out[c, row, column] = cell.mean()
    return out


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


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -1e30])
def test_hidden_rows_cannot_pass_and_get_no_gradient(poison: float) -> None:
    feature = torch.randn(4, 2, 3, 3)
    column = torch.tensor([True, False, True, False])
    feature[~column] = poison
    feature.requires_grad_()
    shown = masked(feature, column)
    assert torch.equal(shown[~column], torch.zeros(2, 2, 3, 3))
    assert torch.equal(shown[column], feature[column])
    shown.sum().backward()
    assert feature.grad is not None
    assert torch.equal(feature.grad.amax((1, 2, 3)), column.float())


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    grid=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_to_grid_is_cell_averages_for_any_sizes(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    feature = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    got = to_grid(feature, grid)
    assert got.shape == (2, 3, *grid)
    for i in range(2):
        np.testing.assert_allclose(got[i].numpy(), slow_grid(feature[i].numpy(), grid), atol=1e-6)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)), min_size=1))
def test_common_grid_is_a_point_if_there_is_one_else_the_smallest_plane_else_line(
    shapes: list[tuple[int, int, int]],
) -> None:
    sizes = [(h, w) for _, h, w in shapes]
    grid = common_grid(shapes)
    planes = [s for s in sizes if s[0] > 1 and s[1] > 1]
    candidates = [(1, 1)] if (1, 1) in sizes else planes or sizes
    assert grid in candidates
    assert grid[0] * grid[1] == min(h * w for h, w in candidates)
    assert common_grid(shapes, "pooled") == (1, 1)
    assert common_grid(shapes[::-1]) == grid


def test_an_unknown_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="auto or pooled, got 'large'"):
        common_grid([(1, 1, 1)], "large")  # type: ignore[arg-type]


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
    prepared = fusion.prepare(feats)
    assert torch.equal(fusion(prepared, mask).map, fusion(feats, mask).map)
    assert all(prepared[name].numel() <= f.numel() for name, f in feats.items())
    assert prepared["a"].shape[2:] == fusion.grid


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 1, 1), (4, 3, 2, 2), (4, 2, 1, 3)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_added_in_one_go_are_those_added_one_by_one(
    shape: tuple[int, ...], last: bool, dtype: torch.dtype
) -> None:
    maps = [torch.randn(shape).to(dtype) for _ in range(3)]
    if last and len(shape) == 4:
        maps = [x.contiguous(memory_format=torch.channels_last) for x in maps]
    rows = torch.tensor([3, 0, 0, 1, 3, 2])
    shown = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1], [1, 0, 1]]).bool()
    # Nothing shows the second map of row 3, and whatever stands there stays there.
    maps[1][3] = torch.nan
    got = added_rows(maps, rows, shown)
    assert got.dtype == dtype
    assert channels_last(got) == channels_last(maps[0])
    for out, row, seen in zip(got, rows, shown, strict=True):
        wanted = torch.zeros(shape[1:], dtype=torch.float64)
        for x in (x for x, v in zip(maps, seen, strict=True) if v):
            wanted += x[row].double()
        assert torch.allclose(out.double(), wanted, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6)
    if dtype != torch.bfloat16:
        columns = zip(maps, shown.unbind(1), strict=True)
        assert torch.equal(got, added(masked(take_rows(x, rows), column) for x, column in columns))
