"""`full` and `unimodal`: what they show, what each expert learns, and how experts are averaged."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

TASK = Task(
    (
        Modality("a", "vector", (3,)),
        Modality("b", "image", (1, 8, 8)),
        Modality("c", "vector", (2,)),
    ),
    ("x", "y", "z"),
)
SMALL = Network(width=8)


def batch_of(task: Task, mask: torch.Tensor, present: torch.Tensor, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in TASK.inputs}
    inputs = {m.name: inputs[m.name] for m in task.inputs}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, present, task.modalities)


@pytest.mark.parametrize("name", ["full", "unimodal", "separate"])
def test_training_shows_all_that_is_present_and_evaluation_the_mask(name: str) -> None:
    torch.manual_seed(0)
    model = build_method(name, TASK, network=SMALL)
    present = all_combinations(3)
    mask = (
        present & torch.tensor([True, False, False]) | (present.sum(1, keepdim=True) == 1) & present
    )
    mask = torch.where(mask.any(1, keepdim=True), mask, present)
    batch = batch_of(TASK, mask, present)
    assert not torch.equal(mask, present)
    assert torch.equal(model.step(batch).mask, present)
    model.eval()
    step = model.step(batch)
    assert torch.equal(step.mask, mask)
    torch.testing.assert_close(step.out.logits, model(batch.inputs, mask), atol=1e-5, rtol=1e-5)


def test_full_is_sf_md_shown_everything() -> None:
    present = torch.ones(6, 3, dtype=torch.bool)
    losses = []
    for name, mask in (("sf-md", present), ("full", torch.eye(3).bool().repeat(2, 1))):
        torch.manual_seed(0)
        model = build_method(name, TASK, network=SMALL)
        losses.append(model.training_loss(batch_of(TASK, mask, present)).total)
    assert torch.equal(*losses)


def test_each_expert_learns_what_it_would_learn_alone() -> None:
    """Three steps of V networks at once are three steps of each on a task of its own."""
    torch.manual_seed(0)
    model = build_method("unimodal", TASK, network=SMALL)
    present = torch.ones(7, 3, dtype=torch.bool)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    alone = {}
    for m, expert in zip(TASK.inputs, model.encoders, strict=True):
        task = Task((m,), TASK.classes)
        single = build_method("sf-md", task, network=SMALL)
        single.encoders[0].load_state_dict(expert.encoder.state_dict())
        single.fusion.load_state_dict(expert.fusion.state_dict())
        single.predictor.load_state_dict(expert.predictor.state_dict())
        alone[m.name] = single, torch.optim.SGD(single.parameters(), lr=0.3, momentum=0.9)
    for step in range(3):
        batch = batch_of(TASK, present, present, step)
        optimizer.zero_grad()
        loss = model.training_loss(batch).total
        loss.backward()
        optimizer.step()
        total = 0.0
        for m in TASK.inputs:
            single, own = alone[m.name]
            own.zero_grad()
            mine = single.training_loss(
                batch_of(Task((m,), TASK.classes), present[:, :1], present[:, :1], step)
            ).total
            mine.backward()
            own.step()
            total += mine.item()
        assert loss.item() == pytest.approx(total, rel=1e-5)
    model.eval()
    for m, expert in zip(TASK.inputs, model.encoders, strict=True):
        single, _ = alone[m.name]
        x = batch.inputs[m.name]
        torch.testing.assert_close(
            expert(x).flatten(1), single.eval()({m.name: x}, present[:, :1]), atol=1e-4, rtol=1e-4
        )


def test_an_expert_learns_from_no_sample_that_lacks_its_modality() -> None:
    torch.manual_seed(0)
    model = build_method("unimodal", TASK, network=SMALL)
    present = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 1]]).bool()
    step = model.step(batch_of(TASK, present, present))
    ce = torch.nn.functional.cross_entropy
    expected = sum(
        ce(step.feats[m.name][i].flatten(), step.batch.target[i]).item()
        for i in range(3)
        for v, m in enumerate(TASK.inputs)
        if present[i, v]
    )
    assert step.task.mean.item() == pytest.approx(expected / 3, rel=1e-5)


def test_mistakes_raise() -> None:
    for name in ("full", "unimodal"):
        with pytest.raises(
            ValueError, match=f"encodes as present, since {name} shows all .* got 'mask'"
        ):
            build_method(name, TASK, network=SMALL, encodes="mask")
    with pytest.raises(ValueError, match="combine as probabilities or logits, got 'votes'"):
        build_method("unimodal", TASK, network=SMALL, combine="votes")
    with pytest.raises(ValueError, match="got one for 'd'"):
        build_method("unimodal", TASK, network=Network(encoders={"d": "auto"}))
    for main in ("q", "A"):
        with pytest.raises(
            ValueError, match=r"unknown modality .*(known: a, b\.1|did you mean 'a')"
        ):
            build_method("unimodal", PIXELS, network=Network(family="esanet", main=main))


PIXELS = Task(
    (Modality("a", "image", (1, 32, 32)), Modality("b.1", "image", (3, 32, 32))),
    ("x", "y", "z"),
    dense=True,
    class_weights=(1.0, 2.0, 0.5),
)
FAMILIES = {"generic": SMALL, "esanet": Network(family="esanet", layout="r18", stem=8, main="b.1")}


def images_of(task: Task, present: torch.Tensor, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    rows = len(present)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in PIXELS.inputs}
    target = torch.randint(-1, 3, (rows, 32, 32), generator=draw)
    inputs = {m.name: inputs[m.name] for m in task.inputs}
    batch = Batch(inputs, present, target, torch.arange(rows))
    return batch.masked(present, present, task.modalities)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_expert_of_pixels_learns_what_it_would_learn_alone(family: str) -> None:
    torch.manual_seed(0)
    model = build_method("unimodal", PIXELS, network=FAMILIES[family])
    present = torch.ones(3, 2, dtype=torch.bool)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    alone = {}
    for m, expert in zip(PIXELS.inputs, model.encoders, strict=True):
        network = dataclasses.replace(FAMILIES[family], main=None)
        single = build_method("sf-md", dataclasses.replace(PIXELS, inputs=(m,)), network=network)
        single.encoders[0].load_state_dict(expert.encoder.state_dict())
        single.fusion.load_state_dict(expert.fusion.state_dict())
        single.predictor.load_state_dict(expert.predictor.state_dict())
        alone[m.name] = single, torch.optim.SGD(single.parameters(), lr=0.01)
    for step in range(2):
        batch = images_of(PIXELS, present, step)
        optimizer.zero_grad()
        loss = model.training_loss(batch).total
        loss.backward()
        optimizer.step()
        total = 0.0
        for single, own in alone.values():
            own.zero_grad()
            mine = single.training_loss(images_of(single.task, present[:, :1], step)).total
            mine.backward()
            own.step()
            total += mine.item()
        assert loss.item() == pytest.approx(total, rel=1e-4)
    model.eval()
    every = torch.eye(2).bool()
    for v, (name, (single, _)) in enumerate(alone.items()):
        x = batch.inputs[name]
        expected = single.eval()({name: x}, present[:, :1])
        found = model(batch.inputs, every[v].expand(3, 2))
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_expert_of_pixels_learns_from_no_image_that_lacks_its_modality(family: str) -> None:
    torch.manual_seed(0)
    model = build_method("unimodal", PIXELS, network=FAMILIES[family])
    for shown in ([[1, 0], [1, 0]], [[1, 1], [1, 0]]):
        present = torch.tensor(shown).bool()
        batch = images_of(PIXELS, present)
        batch.inputs["b.1"][~present[:, 1]] = torch.nan
        model.zero_grad()
        loss = model.training_loss(batch)
        loss.total.backward()
        gradients = [[p.grad for p in expert.parameters()] for expert in model.encoders]
        assert all(g is not None and g.isfinite().all() for of in gradients for g in of)
        assert all(g.any() == present[:, 1].any() for g in gradients[1][-1:])
        feats, expected = loss.step.feats, torch.tensor(0.0)
        weight = torch.tensor(PIXELS.class_weights)
        for v, m in enumerate(PIXELS.inputs):
            for name in (f"{m.name}.{k}" for k in range(4)):
                if name not in feats:
                    continue
                scale = feats[name].shape[-1]
                target = batch.target[:, :: 32 // scale, :: 32 // scale]
                size = weight[target[target >= 0]].sum()
                for row in present[:, v].nonzero().flatten().tolist():
                    expected += (
                        torch.nn.functional.cross_entropy(
                            feats[name][row : row + 1],
                            target[row : row + 1],
                            weight,
                            ignore_index=-1,
                            reduction="sum",
                        )
                        / size
                    )
        assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_experts_of_pixels_are_averaged_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    model = build_method("unimodal", PIXELS, network=SMALL, combine="probabilities").eval()
    masks = torch.tensor([[True, False], [False, True], [True, True]])
    batch = images_of(PIXELS, torch.ones(3, 2, dtype=torch.bool))
    with torch.no_grad():
        found = model(batch.inputs, masks).softmax(1)
        each = [
            e(batch.inputs[m.name]).softmax(1)
            for e, m in zip(model.encoders, PIXELS.inputs, strict=True)
        ]
    assert found.shape == (3, 3, 32, 32)
    torch.testing.assert_close(found[0], each[0][0])
    torch.testing.assert_close(found[1], each[1][1])
    torch.testing.assert_close(found[2], (each[0][2] + each[1][2]) / 2)
