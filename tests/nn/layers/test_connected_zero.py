"""A zero that connects parameters to a loss."""

from __future__ import annotations

import torch
from torch import nn

from dmrnet.nn.layers.connected_zero import connected_zero


def test_it_skips_frozen_parameters() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    connected_zero(layer).backward()
    assert torch.equal(layer.weight.grad, torch.zeros(2, 2))  # type: ignore[arg-type]
    assert layer.bias.grad is None
    assert not connected_zero(nn.ReLU()).requires_grad


def test_it_reads_no_value_of_a_tensor() -> None:
    x = torch.full((2, 3), torch.nan, requires_grad=True)
    zero = connected_zero(x)
    assert float(zero.detach()) == 0
    zero.backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))  # type: ignore[arg-type]
