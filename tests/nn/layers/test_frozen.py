"""A frozen module is not trained, saved or synchronised."""

from __future__ import annotations

import copy

import torch
from torch import nn

from dmrnet.nn import Frozen


def test_the_owner_does_not_register_the_module() -> None:
    owner = nn.Module()
    owner.teacher = Frozen(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9)))
    assert not list(owner.parameters())
    assert not owner.state_dict()
    owner.train()
    assert not owner.teacher.module.training
    x = torch.ones(1, 2, requires_grad=True)
    assert torch.equal(owner.teacher(x), owner.teacher(x))
    assert not owner.teacher(x).requires_grad
    assert not owner.teacher.module[0].weight.requires_grad


def test_it_moves_and_is_copied_with_its_owner() -> None:
    owner = nn.Module()
    owner.teacher = Frozen(nn.Linear(2, 2))
    other = copy.deepcopy(owner)
    owner.double()
    assert owner.teacher.module.weight.dtype == torch.float64
    assert other.teacher.module.weight.dtype == torch.float32
    assert other.teacher.module.weight is not owner.teacher.module.weight
