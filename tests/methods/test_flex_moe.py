"""Flex-MoE's settings reach its parts; recipes and mistakes."""

from __future__ import annotations

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.nn import Network
from dmrnet.testing.batches import task_of

TASK = task_of(("image", (1, 16, 16)), ("sequence", (2, 40)), ("vector", (3,)), ("vector", (2,)))


def built(recipe: str = "best", **changes):
    torch.manual_seed(0)
    return build_method("flex-moe", TASK, recipe, network=Network(width=8), **changes)


def test_settings_reach_the_parts() -> None:
    model = built(experts=5, active=2, noise=False, gate_weight=0.2, balance_weight=0.3, layers=2)
    block = model.fusion.mixer.blocks[0]
    assert len(block.experts.experts) == 5
    assert block.experts.gate.active == 2
    assert block.experts.gate.noise is None
    weights = {term.name: term.full_weight for term in model.objective.terms}
    assert weights == {"task": 1.0, "expert_target": 0.2, "expert_balance": 0.3}
    assert built().predictor.linear.in_features == 4 * 8


def test_released_has_the_sizes_of_its_run() -> None:
    """One expert for each of 15 combinations and one more; 16 tokens a modality, where it can."""
    model = built("released")
    mixer = model.fusion.mixer
    (block,) = mixer.blocks
    assert mixer.counts == (16, 10, 1, 1)
    assert mixer.position.shape[1] == 128
    assert len(block.experts.experts) == 16
    assert (block.experts.gate.active, block.attention.heads) == (4, 4)
    assert block.experts.experts[0][0].out_features == 256
    assert block.doubled
    assert not built().fusion.mixer.blocks[0].doubled


def test_more_than_eight_modalities_have_no_table_by_combination() -> None:
    many = task_of(*(("vector", (3,)) for _ in range(9)))
    sizes = []
    for task in (task_of(*(("vector", (3,)) for _ in range(8))), many):
        bank = build_method("flex-moe", task, network=Network(width=8)).fusion.mixer.bank
        sizes.append(tuple(bank.table.shape))
    assert sizes == [(256, 8, 8), (9, 9, 8)]


def test_mistakes_raise() -> None:
    for name in ("experts", "active", "tokens"):
        with pytest.raises(ValueError, match=f"expected {name} of 1 or more, got 0"):
            built(**{name: 0})
    with pytest.raises(ValueError, match="residual as input or attention, got 'none'"):
        built(residual="none")
