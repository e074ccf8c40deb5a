"""Every method whose equations allow it predicts numbers, labels and ordered classes."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from dmrnet.methods import METHODS, build_method, method, methods_without_classes
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.objectives import HardCombinations
from dmrnet.testing import random_batch
from dmrnet.testing.batches import SMALL, ready

INPUTS = (Modality("m0", "vector", (3,)), Modality("m1", "image", (1, 4, 4)))
MEAN, STD = 1000.0, 5.0
KINDS = ("regression", "multi-label", "ordinal")
OWN = ("unimodal", "separate")
"""Methods whose task loss is that of several networks."""


@cache
def task_of(kind: str) -> Task:
    scale = ((MEAN, STD), (-2.0, 0.1), (0.0, 1.0)) if kind == "regression" else None
    return Task(INPUTS, ("x", "y", "z"), target=kind, scale=scale)


@cache
def batch_of(kind: str) -> Batch:
    masks = all_combinations(2).repeat(2, 1)
    return random_batch(task_of(kind), masks, torch.ones_like(masks))


def slow_loss(kind: str, outputs: list[float], target: list[float]) -> float:
    if kind == "regression":
        scaled = [(y - m) / s for y, (m, s) in zip(target, task_of(kind).scale, strict=True)]
        return sum((u - y) ** 2 for u, y in zip(outputs, scaled, strict=True)) / len(outputs)
    p = [1 / (1 + math.exp(-u)) for u in outputs]
    if kind == "multi-label":
        right = [q if y else 1 - q for q, y in zip(p, target, strict=True)]
        return -sum(map(math.log, right)) / len(p)
    # Beyond every class below the true one, and not beyond that.
    (label,) = map(int, target)
    chance = math.prod(p[:label]) * (1 - p[label] if label < len(p) else 1)
    return -math.log(chance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", methods_without_classes())
def test_a_method_trains_and_predicts(name: str, kind: str) -> None:
    task, batch = task_of(kind), batch_of(kind)
    torch.manual_seed(0)
    built = ready(build_method(name, task, network=SMALL), task)
    loss = built.training_loss(batch, 50, torch.Generator().manual_seed(0))
    loss.total.backward()
    built.on_gradients(loss.step)
    assert loss.total.isfinite()
    assert all(p.grad.isfinite().all() for p in built.parameters() if p.grad is not None)
    if name not in OWN:
        rows = zip(
            loss.step.out.logits.tolist(), batch.target.view(len(batch), -1).tolist(), strict=True
        )
        expected = [slow_loss(kind, *row) for row in rows]
        assert loss.step.task.per_sample.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    # Of the order of the number of outputs: no loss reads targets in their unit.
    assert loss.total.item() < 100

    built.eval()
    built.fit_on_validation([batch])
    predicted = built(batch.inputs, batch.mask)
    assert predicted.isfinite().all()
    assert predicted.shape == (len(batch), 3)
    if kind == "regression":
        assert predicted.dtype == torch.float64
        assert ((predicted[:, 0] - MEAN).abs() < 20 * STD).all()
    if kind == "ordinal":
        torch.testing.assert_close(predicted.exp().sum(1), torch.ones(len(batch)))
    distances = torch.cdist(predicted[:3], predicted[:3]) + torch.eye(3)
    assert distances.min().item() > 1e-7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["probabilities", "logits"])
def test_experts_are_averaged(kind: str, pooling: str) -> None:
    """The prediction of both modalities lies between, or is the mean of, those of each."""
    task, batch = task_of(kind), batch_of(kind)
    torch.manual_seed(0)
    built = build_method("unimodal", task, network=SMALL, combine=pooling).eval()
    inputs = {name: x[:1].expand(3, *x.shape[1:]) for name, x in batch.inputs.items()}
    one, two, both = built.target.probabilities(built(inputs, all_combinations(2)))
    if pooling == "probabilities" or kind == "regression":
        torch.testing.assert_close(both, (one + two) / 2)
    elif kind == "multi-label":
        assert ((both - one) * (both - two) <= 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_hard_term_is_the_loss_of_hard_samples(kind: str) -> None:
    torch.manual_seed(0)
    built = build_method("dmrnet", task_of(kind), network=SMALL)
    (term,) = (t for t in built.objective.terms if isinstance(t, HardCombinations))
    term.miner.hard[1] = True
    batch = batch_of(kind)
    loss = built.training_loss(batch, 50, torch.Generator().manual_seed(0))
    hard = (batch.mask.sum(1) == 1) & batch.mask[:, 0]
    expected = (loss.step.task.per_sample * hard).sum() / len(batch)
    torch.testing.assert_close(loss.parts["hard_combinations"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_methods_whose_equations_need_classes_say_so(kind: str) -> None:
    refusing = set(METHODS) - set(methods_without_classes())
    assert refusing >= {"ogm-md", "rfnet", "mmanet"}
    for name in refusing:
        with pytest.raises(ValueError, match=f"{name} need classes, .* use one of sf-md"):
            method(name)().check_target(task_of(kind))
    with pytest.raises(ValueError, match="smoothing 0"):
        build_method("sf-md", task_of(kind), network=SMALL, smoothing=0.1)
