"""Epochs that are never closed: a warning, once, where a method would have learnt from them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from dmrnet.methods import METHODS, build_method, method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.objectives import EpochStatistics, Totals
from dmrnet.testing import SMALL, random_batch, task_of

TASK = task_of(("vector", (4,)), ("vector", (3,)))


def built(name: str = "dmrnet", **changes) -> Method:
    return build_method(name, TASK, network=SMALL, **changes)


def batch() -> Batch:
    return random_batch(TASK, torch.tensor([[True, True], [False, True]]))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Let a second warning fail, whatever the filters of the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_later_epoch_warns_once(quiet: None) -> None:
    method = built()
    method.training_loss(batch(), 0)
    method.training_loss(batch(), 0)
    with pytest.warns(UserWarning, match=r"epoch 1 .* epoch 0 is still open; call method\.end_epo"):
        method.training_loss(batch(), 1)
    method.training_loss(batch(), 2)


def test_evaluation_within_a_first_epoch_that_stays_open_warns_once(quiet: None) -> None:
    method = built()
    for _ in range(2):
        method.eval()
        method.train()  # nothing is open yet
    method.training_loss(batch())
    method.eval()
    method.train()
    method.training_loss(batch())
    method.eval()
    with pytest.warns(UserWarning, match="second evaluation"):
        method.train()
    method.training_loss(batch())
    method.eval().train()


def test_closed_epochs_do_not_warn(quiet: None) -> None:
    method = built()
    for epoch in range(3):
        for _ in range(3):
            method.training_loss(batch(), epoch)
            if epoch:  # evaluation within an epoch
                method.eval().train()
        method.end_epoch()


def test_a_method_that_learns_nothing_from_an_epoch_does_not_warn(quiet: None) -> None:
    method = built("sf-md")
    for epoch in range(3):
        method.training_loss(batch(), epoch)
        method.eval().train()


def test_evaluation_does_not_open_an_epoch(quiet: None) -> None:
    method = built().eval()
    for epoch in range(3):
        method.training_loss(batch(), epoch)
    method.train().eval().train()


def test_every_method_says_whether_it_learns_from_epochs() -> None:
    classes = {method(name)().method_class for name in METHODS}
    overriding = {one for one in classes if one.on_epoch_end is not Method.on_epoch_end}
    assert overriding == {one for one in classes if one.learns_from_epochs}
    assert len(overriding) >= 2


@pytest.mark.parametrize(("by", "hard"), [("variance", 1), ("loss", 2)])
def test_combinations_are_mined_by_what_the_setting_names(by: str, hard: int) -> None:
    method = built(mine_by=by, hard_size=1)
    counts = torch.tensor([0.0, 9.0, 9.0, 9.0])
    high = [torch.tensor([0.0, 1.0, 1.0, 1.0]).index_fill(0, torch.tensor(j), 5.0) for j in (1, 2)]
    variance, loss = (Totals(9 * means.double(), counts.double()) for means in high)
    method.on_epoch_end(EpochStatistics(variance, loss), None)
    assert method.hard_set().nonzero().flatten().tolist() == [hard]
