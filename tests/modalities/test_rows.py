"""Selected, scattered and repeated rows keep their values and memory format."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities.rows import channels_last, spread_rows, take_rows

SHAPES = [(5,), (5, 3), (5, 3, 2), (5, 3, 4, 4), (5, 1, 4, 4), (5, 3, 1, 1), (5, 3, 2, 4, 4)]
ROWS = torch.tensor([3, 0])


def made(shape: tuple[int, ...], last: bool = False) -> torch.Tensor:
    x = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    return x.contiguous(memory_format=torch.channels_last) if last and x.dim() == 4 else x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_rows_are_those_of_the_batch(shape: tuple[int, ...], last: bool) -> None:
    x = made(shape, last)
    taken = take_rows(x, ROWS)
    assert len(taken) == len(ROWS)
    for here, row in zip(taken, ROWS, strict=True):
        assert torch.equal(here, x[row])
    back = spread_rows(taken, ROWS, len(x))
    assert len(back) == len(x)
    for number, row in enumerate(back):
        assert torch.equal(row, x[number] if number in ROWS else torch.zeros_like(row))


def test_channels_stay_last_forward_and_backward() -> None:
    x = made((5, 3, 4, 4), last=True).requires_grad_()
    assert channels_last(x)
    assert not channels_last(made((5, 3, 4, 4)))
    for act in (
        lambda t: take_rows(t, ROWS),
        lambda t: spread_rows(take_rows(t, ROWS), ROWS, 5),
    ):
        out = act(x)
        assert channels_last(out)
        (gradient,) = torch.autograd.grad(out, x, torch.ones_like(out))
        assert channels_last(gradient)


def test_a_gradient_reaches_its_own_row() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    spread_rows(x, ROWS, 5)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0, 0], [1, 1, 1]]
