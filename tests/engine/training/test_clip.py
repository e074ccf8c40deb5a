"""Clipping by the norm of all gradients, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.engine.training.clip import clip


def parameters(scale: float) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(3)
    made = [nn.Parameter(torch.zeros(size)) for size in ((3, 5), (7,), (2, 4, 3, 3), (1,))]
    for parameter in made[:-1]:
        parameter.grad = scale * torch.randn(parameter.shape, generator=draw)
    return made


@pytest.mark.parametrize("scale", [0.01, 10.0])
def test_gradients_and_norm_are_bitwise_those_of_torch(scale: float) -> None:
    ours, theirs = parameters(scale), parameters(scale)
    norm = clip(ours, 1.0)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(theirs, 1.0))
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert torch.equal(mine.grad, other.grad)
    assert ours[-1].grad is None
    assert (float(norm) > 1) == (scale > 1)


def test_without_any_gradient_the_norm_is_zero() -> None:
    assert float(clip([nn.Parameter(torch.ones(2))], 1.0)) == 0.0
