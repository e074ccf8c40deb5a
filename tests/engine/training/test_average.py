"""The running average of the weights, against a loop over numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.engine.training.average import WeightAverage
from dmrnet.nn.layers.norm import BatchNorm


def a_model() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3), BatchNorm(3))
    model.register_buffer("hard", torch.zeros(4, dtype=torch.bool))
    model.register_buffer("sums", torch.zeros(4, dtype=torch.float64))
    return model


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.98])
def test_it_is_the_average_of_a_loop(decay: float) -> None:
    model = a_model()
    average = WeightAverage(model, decay)
    names = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    expected = {name: model.state_dict()[name].double().clone() for name in names}
    for step in range(1, 30):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        model(torch.randn(5, 2))
        average.update()
        keep = min(decay, (1 + step) / (10 + step))
        for name in names:
            new = model.state_dict()[name].double()
            expected[name] = keep * expected[name] + (1 - keep) * new
    state = average.model.state_dict()
    for name in names:
        torch.testing.assert_close(state[name].double(), expected[name], rtol=1e-5, atol=1e-6)
    assert not any(p.requires_grad for p in average.model.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_counts_and_sets_are_copied_when_asked() -> None:
    model = a_model()
    average = WeightAverage(model, 0.9)
    model(torch.randn(5, 2))
    model.hard[2] = True
    model.sums[1] = 3
    before = average.model.state_dict()["1.running_mean"].clone()
    average.copy_counts()
    state = average.model.state_dict()
    assert state["hard"].tolist() == [False, False, True, False]
    assert state["sums"].tolist() == [0, 3, 0, 0]
    assert int(state["1.num_batches_tracked"]) == 1
    assert torch.equal(state["1.running_mean"], before)


def test_it_follows_a_model_that_has_moved() -> None:
    model = a_model()
    average = WeightAverage(model, 0.0)
    # Moving replaces the buffers.
    model.double().float()
    average.follow(model)
    model.running = model[1].running_mean.fill_(7)
    average.update()
    average.update()
    assert average.model[1].running_mean.tolist() == pytest.approx([7, 7, 7], rel=0.2)
