"""MMPareto-MD: gradients against separate backward passes and a search of the weights."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmrnet.methods import build_method
from dmrnet.methods.modules.mmpareto_md import MMParetoMD
from dmrnet.modalities import Batch, Task
from dmrnet.nn import Network
from dmrnet.objectives.systems.pareto import UnimodalLosses, integrate
from dmrnet.testing.batches import every_combination, random_batch, task_of

TASK = task_of(("vector", (3,)), ("image", (1, 8, 8)), ("sequence", (2, 9)))
PIXELS = task_of(("image", (1, 16, 16)), ("image", (2, 16, 16)), dense=True)
SMALL = Network(width=8)


def built(task: Task = TASK, recipe: str = "best", **changes: object) -> MMParetoMD:
    torch.manual_seed(0)
    model = build_method("mmpareto-md", task, recipe, network=SMALL, **changes)
    assert isinstance(model, MMParetoMD)
    return model


def term_of(model: MMParetoMD) -> UnimodalLosses:
    (term,) = (t for t in model.objective.terms if isinstance(t, UnimodalLosses))
    return term


def opposed(model: MMParetoMD) -> MMParetoMD:
    """Turn the fused prediction of the first encoder's channels around, so that losses conflict."""
    with torch.no_grad():
        for head in term_of(model).heads:
            head.weight.mul_(3)
        model.predictor.linear.weight.mul_(-3)
    return model


def flat(tensors: list[list[float]]) -> list[float]:
    return [x for tensor in tensors for x in tensor]


def slow_share(fused: list[float], own: list[float]) -> float:
    """Return the weight of the first gradient, by a search where the two conflict."""
    if sum(a * b for a, b in zip(fused, own, strict=True)) > 0:
        return 0.5

    def norm(k: float) -> float:
        return sum((k * a + (1 - k) * b) ** 2 for a, b in zip(fused, own, strict=True))

    low, high = 0.0, 1.0
    for _ in range(80):
        third = (high - low) / 3
        if norm(low + third) < norm(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2


def slow_integration(
    fused: list[list[float]], own: list[list[float]], gamma: float, by_tensor: bool
) -> list[list[float]]:
    """Return an encoder's gradient from two lists of tensors."""
    k = slow_share(flat(fused), flat(own))
    mixed = [
        [2 * k * a + 2 * (1 - k) * b for a, b in zip(one, two, strict=True)]
        for one, two in zip(fused, own, strict=True)
    ]
    total = [
        [a + b for a, b in zip(one, two, strict=True)] for one, two in zip(fused, own, strict=True)
    ]

    def factor(whole: list[float], h: list[float]) -> float:
        size = math.sqrt(sum(x * x for x in h))
        return gamma * max(1.0, math.sqrt(sum(x * x for x in whole)) / size) if size else gamma

    if by_tensor:
        return [[factor(whole, h) * x for x in h] for whole, h in zip(total, mixed, strict=True)]
    scale = factor(flat(total), flat(mixed))
    return [[scale * x for x in h] for h in mixed]


def backward(model: MMParetoMD, batch: Batch, which: str) -> list[list[list[float]]]:
    """Return each encoder's gradients of the fused loss or of the sum of own losses."""
    model = copy.deepcopy(model)
    model.zero_grad()
    step = model.step(batch)
    (step.task.mean if which == "fused" else slow_own(model, step)).backward()
    return [
        [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten().tolist()
            for p in encoder.parameters()
        ]
        for encoder in model.encoders
    ]


def slow_own(model: MMParetoMD, step) -> torch.Tensor:
    """Return the losses of single modalities, sample by sample."""
    total = torch.zeros(())
    target, present = step.batch.target, step.batch.present
    heads = zip(term_of(model).features, term_of(model).heads, strict=True)
    for v, (name, head) in enumerate(heads):
        for i in range(len(target)):
            if not present[i, v]:
                continue
            feature = step.feats[name][i : i + 1]
            if model.task.dense:
                logits = head(feature)
                size = 16 // logits.shape[-1]
                labels = target[i : i + 1, ::size, ::size]
            else:
                logits, labels = head(feature.mean((2, 3))), target[i : i + 1]
            # Every pixel has a label, so that all samples have as many.
            total = total + nn.functional.cross_entropy(logits, labels) / len(target)
    return total


@pytest.mark.parametrize(
    ("task", "recipe", "gamma"),
    [(TASK, "best", 1.5), (TASK, "released", 1.5), (TASK, "best", 2.0), (PIXELS, "best", 1.5)],
    ids=["best", "released", "gamma", "pixels"],
)
def test_a_step_has_the_integrated_gradients(task: Task, recipe: str, gamma: float) -> None:
    model = built(task, recipe, gamma=gamma)
    if not task.dense:
        opposed(model)
    mask = every_combination(task, 2)
    present = mask.clone()
    present[::2] = True
    batch = random_batch(task, mask, present, present)
    fused, own = backward(model, batch, "fused"), backward(model, batch, "own")
    loss = model.training_loss(batch)
    loss.total.backward()
    plain = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.on_gradients(loss.step)
    shares = []
    for g_m, g_u, encoder in zip(fused, own, model.encoders, strict=True):
        expected = slow_integration(g_m, g_u, gamma, recipe == "released")
        shares.append(slow_share(flat(g_m), flat(g_u)))
        for p, h in zip(encoder.parameters(), expected, strict=True):
            assert p.grad is not None
            scale = max(map(abs, h)) + 1e-6
            got = p.grad.flatten().tolist()
            assert got == pytest.approx(h, rel=2e-3, abs=2e-3 * scale)
    assert task.dense or any(share != 0.5 for share in shares)
    # Everything else keeps the gradient of the sum.
    for name, p in model.named_parameters():
        if not name.startswith("encoders"):
            assert torch.equal(p.grad, plain[name])
    assert loss.total.item() == pytest.approx(
        (loss.parts["task"] + loss.parts["each_present"]).item(), rel=1e-6
    )


vectors = st.lists(st.floats(-3, 3, width=32), min_size=6, max_size=6)


@settings(max_examples=60, deadline=None)
@given(vectors, vectors)
def test_the_integrated_gradient_opposes_neither(one: list[float], two: list[float]) -> None:
    """And it is gamma times as long as the sum of both, whether they conflict or not."""
    fused, own = torch.tensor(one), torch.tensor(two)
    h = integrate(fused, own, [2, 4], 1.5)
    assert h.isfinite().all()
    slack = 1e-3 * (1 + float(h.norm())) * (1 + float(fused.norm()) + float(own.norm()))
    if float(h.norm()) > 1e-2:
        assert float(h.dot(fused)) > -slack
        assert float(h.dot(own)) > -slack
        assert float(h.norm()) == pytest.approx(1.5 * float((fused + own).norm()), rel=1e-3)


def test_an_encoder_without_a_sample_stands_still_and_others_do_not() -> None:
    model = built()
    present = torch.tensor([[True, False, True]] * 4)
    batch = random_batch(TASK, present, present, present)
    loss = model.training_loss(batch)
    loss.total.backward()
    model.on_gradients(loss.step)
    moved = [any(p.grad.any() for p in encoder.parameters()) for encoder in model.encoders]
    assert moved == [True, False, True]
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_gradients_are_kept_in_training_alone_and_used_once() -> None:
    model = built()
    batch = random_batch(TASK, every_combination(TASK), torch.ones(7, 3, dtype=torch.bool))
    loss = model.training_loss(batch)
    loss.total.backward()
    model.on_gradients(loss.step)
    before = [p.grad.clone() for p in model.encoders.parameters()]
    model.on_gradients(loss.step)
    assert all(map(torch.equal, before, (p.grad for p in model.encoders.parameters())))
    assert model.own is None
    model.eval().training_loss(batch).total.backward()
    assert model.own is None
    with torch.no_grad():
        assert not model.train().training_loss(batch).total.requires_grad


def test_frozen_parameters_are_left_out() -> None:
    model = built()
    model.encoders[0].requires_grad_(False)
    first = next(model.encoders[1].parameters())
    first.requires_grad_(False)
    batch = random_batch(TASK, every_combination(TASK), torch.ones(7, 3, dtype=torch.bool))
    loss = model.training_loss(batch)
    loss.total.backward()
    model.on_gradients(loss.step)
    assert first.grad is None
    assert any(p.grad is not None and p.grad.any() for p in model.encoders[1].parameters())


def test_mistakes_raise() -> None:
    for changes, message in (
        ({"gamma": 0.0}, "gamma above 0, got 0"),
        ({"rescale": "all"}, "rescale as encoder or tensor, got 'all'"),
        ({"encodes": "mask"}, "set encodes to present"),
    ):
        with pytest.raises(ValueError, match=message):
            built(**changes)
    with pytest.raises(ValueError, match="use the generic network"):
        build_method("mmpareto-md", PIXELS, network=Network(family="esanet"))
