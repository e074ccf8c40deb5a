"""Eq. 13: the sum of weighted terms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.objectives import (
    Distribution,
    HardCombinations,
    Miner,
    Step,
    TaskTerm,
    Term,
    TotalLoss,
    kl_standard_normal,
)


class Late(Term):
    """Has a parameter of its own, and waits for epoch 2."""

    def __init__(self) -> None:
        super().__init__("late", 4.0)
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.calls = 0

    def weight(self, epoch: int) -> float:
        return self.full_weight if epoch >= 2 else 0.0

    def forward(self, step: Step) -> torch.Tensor:
        self.calls += 1
        return self.scale * step.rep.mu.square().mean()


def step_of(make_step, epoch: int = 0) -> Step:
    mask = torch.tensor([[1, 0], [0, 1], [1, 1]]).bool()
    mu, log_var = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    return make_step(mask, torch.tensor([0, 1, 2]), mu, log_var, epoch=epoch)


def test_total_is_task_plus_alpha_dr_plus_beta_hcr(make_step) -> None:
    miner = Miner(2)
    miner.hard[2] = True
    alpha, beta = 0.01, 0.7
    terms = [TaskTerm(), Distribution(alpha, "sum"), HardCombinations(beta, miner, 0)]
    step = step_of(make_step)
    total, parts = TotalLoss(terms)(step)
    log_p = step.out.logits.log_softmax(1)
    ce = [-float(log_p[i, i].detach()) for i in range(3)]
    ttl = sum(ce) / 3
    dr = float(kl_standard_normal(step.rep.mu, step.rep.log_var, "sum").mean())
    hcr = ce[1] / 3
    assert float(total.detach()) == pytest.approx(ttl + alpha * dr + beta * hcr, rel=1e-5)
    assert total.requires_grad
    assert {name: float(part) for name, part in parts.items()} == {
        "task": pytest.approx(ttl, rel=1e-5),
        "distribution": pytest.approx(dr, rel=1e-5),
        "hard_combinations": pytest.approx(hcr, rel=1e-5),
    }
    assert not any(part.requires_grad for part in parts.values())


def test_a_term_of_weight_zero_is_not_computed_but_its_parameters_have_gradients(make_step) -> None:
    late = Late()
    objective = TotalLoss([TaskTerm(), late])
    total, parts = objective(step_of(make_step, epoch=1))
    total.backward()
    assert late.calls == 0
    assert set(parts) == {"task"}
    assert late.scale.grad is not None
    assert float(late.scale.grad) == 0.0
    step = step_of(make_step, epoch=2)
    total, parts = objective(step)
    total.backward()
    assert late.calls == 1
    assert float(late.scale.grad) == pytest.approx(4 * float(step.rep.mu.square().mean()))
    assert float(total.detach()) == pytest.approx(
        float(parts["task"]) + 4 * float(parts["late"]), rel=1e-5
    )


def test_terms_need_different_names() -> None:
    with pytest.raises(ValueError, match="different names, got several 'task' among task, task"):
        TotalLoss([TaskTerm(), TaskTerm()])


def test_a_term_without_forward_raises(make_step) -> None:
    with pytest.raises(TypeError, match="Term does not define forward"):
        TotalLoss([Term("nothing")])(step_of(make_step))


@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_weights_are_zero_or_more(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of x of 0 or more"):
        Term("x", weight)
