"""Eq. 11-12: the hard-combination term, through an explicit second call of the predictor."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dmrnet.nn.predictor import PooledLinear
from dmrnet.objectives import HardCombinations, Miner

MASK = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [1, 1]]).bool()
TARGET = torch.tensor([0, 2, 1, 1, 0])


def term_with(hard: list[int], beta: float = 0.7) -> HardCombinations:
    miner = Miner(2)
    miner.hard[hard] = True
    return HardCombinations(beta, miner, start_epoch=0)


@pytest.mark.parametrize("hard", [[1], [2, 3], [1, 2, 3]])
def test_term_is_the_shared_predictors_loss_on_hard_samples_over_the_batch(
    make_step, hard: list[int]
) -> None:
    predictor = PooledLinear(4, 3)
    s = torch.randn(5, 4, 2, 2, requires_grad=True)
    step = make_step(MASK, TARGET, torch.randn(5, 4, 2, 2), value=s, predictor=predictor)
    total = torch.zeros(())
    for i in range(5):
        j = int(MASK[i, 0]) + 2 * int(MASK[i, 1])
        if j in hard:
            f_r = predictor(s[i : i + 1]).logits  # the same parameters, called again
            total = total + F.cross_entropy(f_r, TARGET[i : i + 1])
    by_hand = total / 5
    got = term_with(hard)(step)
    torch.testing.assert_close(got, by_hand)
    # One call gives the same gradients as two: to the predictor and to what lies before it.
    wrt = (s, *predictor.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(got, wrt), torch.autograd.grad(by_hand, wrt), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_task_and_term_weigh_each_sample_by_one_or_one_plus_beta(make_step) -> None:
    beta = 0.7
    step = make_step(MASK, TARGET, torch.randn(5, 4, 2, 2))
    total = step.task.mean + beta * term_with([3], beta)(step)
    hard = [False, False, True, False, True]
    losses = F.cross_entropy(step.out.logits, TARGET, reduction="none").tolist()
    by_hand = sum(ce * (1 + beta * h) for ce, h in zip(losses, hard, strict=True)) / 5
    assert float(total.detach()) == pytest.approx(by_hand, rel=1e-5)


def test_no_hard_sample_is_an_exact_zero_with_a_graph(make_step) -> None:
    s = torch.randn(5, 4, 2, 2, requires_grad=True)
    value = term_with([])(make_step(MASK, TARGET, s))
    assert float(value.detach()) == 0.0
    value.backward()
    assert s.grad is not None
    assert not s.grad.any()


def test_it_is_not_the_released_product_with_the_whole_batch(make_step) -> None:
    """The released code multiplies the batch's loss by the number of hard samples."""
    step = make_step(MASK, TARGET, torch.randn(5, 4, 2, 2))
    released = 2 * float(step.task.mean.detach())
    assert float(term_with([1])(step).detach()) < released / 2


def test_it_acts_from_its_start_epoch_on() -> None:
    term = HardCombinations(0.3, Miner(2), start_epoch=5)
    assert [term.weight(epoch) for epoch in (0, 4, 5, 100)] == [0, 0, 0.3, 0.3]
