"""Sums over visible modalities, against adding one map after the other."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities.rows import channels_last, take_rows
from dmrnet.nn.fusion import masked
from dmrnet.nn.layers.visible_sums import sum_selected


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 1, 1), (4, 3, 2, 2), (4, 2, 1, 3)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_selected_rows_are_the_sums_of_visible_maps(
    shape: tuple[int, ...], last: bool, dtype: torch.dtype
) -> None:
    maps = [torch.randn(shape).to(dtype) for _ in range(3)]
    if last and len(shape) == 4:
        maps = [x.contiguous(memory_format=torch.channels_last) for x in maps]
    rows = torch.tensor([3, 0, 0, 1, 3, 2])
    mask = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1], [1, 0, 1]]).bool()
    # The second map of row 3 is never visible.
    maps[1][3] = torch.nan
    got = sum_selected(maps, rows, mask)
    assert got.dtype == dtype
    assert channels_last(got) == channels_last(maps[0])
    for out, row, visible in zip(got, rows, mask, strict=True):
        expected = torch.zeros(shape[1:], dtype=torch.float64)
        for x in (x for x, v in zip(maps, visible, strict=True) if v):
            expected += x[row].double()
        assert torch.allclose(
            out.double(), expected, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6
        )
    if dtype != torch.bfloat16:
        columns = zip(maps, mask.unbind(1), strict=True)
        one_by_one = [masked(take_rows(x, rows), column) for x, column in columns]
        assert torch.equal(got, one_by_one[0] + one_by_one[1] + one_by_one[2])
