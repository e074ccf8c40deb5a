"""The grid on which maps meet, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.nn.plain import slow_grid

from dmrnet.nn.grid import common_grid, to_grid


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
