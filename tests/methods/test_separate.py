"""`separate`: each network is a training of its own, and a prediction is that of the mask's own."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.methods.folded import folded
from dmrnet.methods.modules.separate import Separate
from dmrnet.modalities import Batch, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.systems.experts.separate import CombinationNetwork, common_rows
from dmrnet.testing.batches import random_batch, task_of

TASK = task_of(("vector", (3,)), ("image", (1, 8, 8)), ("vector", (2,)))
PIXELS = task_of(("image", (1, 16, 16)), ("image", (2, 16, 16)), dense=True)
SMALL = Network(width=8)
NAMES = {"m0", "m1", "m2", "m0+m1", "m0+m2", "m1+m2", "m0+m1+m2"}


def built(task: Task = TASK) -> Separate:
    torch.manual_seed(0)
    model = build_method("separate", task, network=SMALL)
    assert isinstance(model, Separate)
    return model


def networks(model: Separate) -> dict[str, tuple[list[torch.nn.Module], torch.nn.Module]]:
    """Return encoders, and the module with fusion and predictor, of every combination."""
    of: dict[str, tuple[list[torch.nn.Module], torch.nn.Module]] = {
        name: ([expert.encoder], expert)
        for name, expert in zip(model.modalities, model.encoders, strict=True)
    }
    for network in model.fusion.networks:
        assert isinstance(network, CombinationNetwork)
        of["+".join(network.modalities)] = list(network.encoders), network
    return of


def part_of(batch: Batch, task: Task, rows: list[int]) -> Batch:
    """Return rows of a batch with the modalities of a smaller task."""
    shown = torch.ones(len(rows), len(task.inputs), dtype=torch.bool)
    inputs = {name: batch.inputs[name][rows] for name in task.modalities}
    part = Batch(inputs, shown, batch.target[rows], torch.arange(len(rows)))
    return part.masked(shown, shown, task.modalities)


def alone(model: Separate, name: str) -> Method:
    """Return sf-md for one combination's modalities, with the weights of its network."""
    encoders, rest = networks(model)[name]
    inputs = tuple(m for m in model.task.inputs if m.name in name.split("+"))
    single = build_method("sf-md", dataclasses.replace(model.task, inputs=inputs), network=SMALL)
    for mine, theirs in zip(single.encoders, encoders, strict=True):
        mine.load_state_dict(theirs.state_dict())
    single.fusion.load_state_dict(rest.fusion.state_dict())
    single.predictor.load_state_dict(rest.predictor.state_dict())
    return single


@pytest.mark.parametrize("task", [TASK, PIXELS], ids=["classes", "pixels"])
def test_each_network_learns_what_it_would_learn_alone(task: Task) -> None:
    """Two steps of all networks at once, clipped, are two steps of each by itself."""
    model = built(task)
    every = all_combinations(len(task.inputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    singles = {name: alone(model, name) for name in networks(model)}
    own = {
        name: torch.optim.SGD(single.parameters(), lr=0.3, momentum=0.9)
        for name, single in singles.items()
    }
    for step in range(2):
        batch = random_batch(task, torch.ones(5, every.shape[1], dtype=torch.bool), seed=step)
        optimizer.zero_grad()
        loss = model.training_loss(batch).total
        loss.backward()
        for group in model.clip_groups():
            torch.nn.utils.clip_grad_norm_(group.parameters(), 0.5)
        optimizer.step()
        total = 0.0
        for name, single in singles.items():
            own[name].zero_grad()
            mine = single.training_loss(part_of(batch, single.task, list(range(5)))).total
            mine.backward()
            torch.nn.utils.clip_grad_norm_(single.parameters(), 0.5)
            own[name].step()
            total += mine.item()
        assert loss.item() == pytest.approx(total, rel=1e-5)
    model.eval()
    for mask, name in zip(every, (n for _, n in model.fusion.combinations()), strict=True):
        single = singles[name].eval()
        inputs = {m: batch.inputs[m] for m in single.modalities}
        expected = single(inputs, torch.ones(5, len(inputs), dtype=torch.bool))
        got = model(batch.inputs, mask.expand(5, -1))
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)


def test_there_is_a_network_for_every_combination() -> None:
    assert set(networks(built())) == NAMES


@pytest.mark.parametrize("task", [TASK, PIXELS], ids=["classes", "pixels"])
def test_a_network_reads_only_samples_that_have_all_of_its_combination(task: Task) -> None:
    """Loss, gradients and batch norms are those of these samples; NaN marks what is absent."""
    model = built(task)
    present = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 1]]).bool()
    present = present[:, : len(task.inputs)]
    batch = random_batch(task, present, present, present)
    for v, x in enumerate(batch.inputs.values()):
        x[~present[:, v]] = torch.nan
    singles = {name: alone(model, name) for name in networks(model)}
    loss = model.training_loss(batch).total
    loss.backward()
    total = 0.0
    for name, single in singles.items():
        columns = [int(m[1:]) for m in name.split("+")]
        rows = [i for i in range(5) if present[i, columns].all()]
        mine = single.training_loss(part_of(batch, single.task, rows)).total * len(rows) / 5
        mine.backward()
        total += mine.item()
        encoders, _ = networks(model)[name]
        for theirs, ours in zip(single.encoders, encoders, strict=True):
            for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
                torch.testing.assert_close(b.grad, a.grad, atol=1e-6, rtol=1e-4)
            for a, b in zip(theirs.buffers(), ours.buffers(), strict=True):
                torch.testing.assert_close(b, a)
    assert loss.item() == pytest.approx(total, rel=1e-5)


def test_rows_of_several_lists() -> None:
    def rows(*numbers: int) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.int64)

    assert common_rows([None, None], 4) is None
    for lists, expected in (
        ([None, rows(1, 3)], [1, 3]),
        ([rows(0, 1, 3), None, rows(1, 2, 3)], [1, 3]),
        ([rows(0, 1), rows()], []),
        ([rows(0), rows(3)], []),
    ):
        got = common_rows(lists, 4)
        assert got is not None
        assert got.tolist() == expected


def test_one_combination_is_deployed_without_the_other_networks() -> None:
    model = built().eval()
    form = folded(model, "m0+m2")
    (kept,) = form.method.fusion.networks
    assert kept.modalities == ("m0", "m2")


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match=r"expected up to 4 modalities, got 5 \(31 networks\)"):
        build_method("separate", task_of(*[("vector", (2,))] * 5), network=SMALL)
    with pytest.raises(ValueError, match="encodes as present, since separate shows all"):
        build_method("separate", TASK, network=SMALL, encodes="mask")
    with pytest.raises(ValueError, match="unknown modality"):
        build_method("separate", PIXELS, network=Network(family="esanet", main="q"))
