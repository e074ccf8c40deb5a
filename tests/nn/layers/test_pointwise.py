"""The linear form of a 1x1 convolution equals the convolution."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from dmrnet.nn.layers.pointwise import Pointwise


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_convolution(size: tuple[int, int], bias: bool) -> None:
    layer = Pointwise(5, 3, bias=bias).double()
    plain = nn.Conv2d(5, 3, 1, bias=bias).double()
    plain.load_state_dict(copy.deepcopy(layer.state_dict()))
    x = torch.randn(4, 5, *size, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    out, expected = layer(x), plain(y)
    assert out.shape == expected.shape
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(out)
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for mine, theirs in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_no_row_at_all() -> None:
    assert Pointwise(5, 3)(torch.zeros(0, 5, 1, 1)).shape == (0, 3, 1, 1)
