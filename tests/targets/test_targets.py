"""Losses, predictions, averages and derivatives of each kind of target, against slow formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dmrnet.modalities import TARGET_NAMES, Modality, Task
from dmrnet.targets import TARGETS, Target, scale_of, target_of

INPUTS = (Modality("a", "vector", (2,)),)
NAMES = ("low", "mid", "high")
ROWS = 6


def task_of(kind: str) -> Task:
    scale = ((10.0, 3.0), (-5.0, 0.1), (0.0, 1.0)) if kind == "regression" else None
    return Task(INPUTS, NAMES, target=kind, scale=scale)


def targets_of(kind: str) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    if kind == "regression":
        return torch.randn(ROWS, 3, generator=draw, dtype=torch.float64)
    if kind == "multi-label":
        return torch.randint(2, (ROWS, 3), generator=draw)
    return torch.arange(ROWS) % 3


def outputs_of(kind: str, *shape: int) -> Tensor:
    many = TARGETS[kind].outputs(task_of(kind))
    draw = torch.Generator().manual_seed(2)
    return torch.randn(*shape, many, generator=draw, dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow_probabilities(kind: str, row: list[float]) -> list[float]:
    """Probability of each class or label from the outputs of a sample."""
    if kind == "classes":
        return [math.exp(u) / sum(map(math.exp, row)) for u in row]
    if kind == "multi-label":
        return list(map(sigmoid, row))
    # Stop at class k, if it is reached.
    reached, found = 1.0, []
    for u in row:
        found.append(reached * (1 - sigmoid(u)))
        reached *= sigmoid(u)
    return [*found, reached]


def slow_loss(kind: str, row: list[float], target: list[float]) -> float:
    if kind == "regression":
        return sum((u - y) ** 2 for u, y in zip(row, target, strict=True)) / len(row)
    p = slow_probabilities(kind, row)
    if kind == "multi-label":
        logs = (math.log(q if y else 1 - q) for q, y in zip(p, target, strict=True))
        return -sum(logs) / len(row)
    return -math.log(p[int(target[0])])


@pytest.mark.parametrize("kind", TARGET_NAMES)
def test_the_loss_is_that_of_its_formula(kind: str) -> None:
    target, outputs = targets_of(kind), outputs_of(kind, ROWS)
    loss = TARGETS[kind].loss(outputs, target)
    rows = zip(outputs.tolist(), target.reshape(ROWS, -1).tolist(), strict=True)
    expected = [slow_loss(kind, *row) for row in rows]
    assert loss.per_sample.tolist() == pytest.approx(expected)
    assert loss.mean.item() == pytest.approx(sum(expected) / ROWS)


@pytest.mark.parametrize("kind", TARGET_NAMES)
def test_predictions_are_probabilities_or_numbers_in_their_unit(kind: str) -> None:
    target, task = TARGETS[kind], task_of(kind)
    outputs = outputs_of(kind, ROWS)
    scale = None if task.scale is None else torch.tensor(task.scale, dtype=torch.float64).T
    got = target.probabilities(target.decode(outputs, scale))
    if kind == "regression":
        expected = [
            [u * std + mean for u, (mean, std) in zip(row, task.scale, strict=True)]
            for row in outputs.tolist()
        ]
        # Encoding is the inverse.
        torch.testing.assert_close(target.encode(got, scale).double(), outputs)
    else:
        expected = [slow_probabilities(kind, row) for row in outputs.tolist()]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", TARGET_NAMES)
def test_derivatives_are_those_of_the_loss(kind: str) -> None:
    target, encoded = TARGETS[kind], targets_of(kind)
    columns, weights = outputs_of(kind, ROWS, 4), torch.tensor([0.3, 0.1, 0.4, 0.2]).double()

    def summed(w: Tensor) -> Tensor:
        return target.loss(torch.einsum("c,ncm->nm", w, columns), encoded).per_sample.sum()

    outputs = torch.einsum("c,ncm->nm", weights, columns)
    gradient = torch.einsum("ncm,nm->c", columns, target.slope(outputs, encoded))
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(summed, weights))
    curvature = target.curvature(columns, outputs, encoded)
    torch.testing.assert_close(curvature, torch.autograd.functional.hessian(summed, weights))


@pytest.mark.parametrize("kind", TARGET_NAMES)
@pytest.mark.parametrize("dim", [0, 1])
def test_a_mixture_is_the_mean_of_what_predictors_predict(kind: str, dim: int) -> None:
    target = TARGETS[kind]
    outputs = outputs_of(kind, ROWS, 3)
    hidden = torch.zeros(ROWS, 3, dtype=torch.bool)
    hidden[0, 1] = hidden[1, 0] = hidden[1, 2] = True
    each = torch.stack(
        [target.probabilities(target.decode(outputs[:, v], None)) for v in range(3)], 1
    )
    shown = (~hidden).double()[..., None]
    expected = (each * shown).sum(1) / shown.sum(1)
    stacked, mask = outputs, hidden[..., None]
    if dim == 0:
        stacked, mask = outputs.transpose(0, 1), mask.transpose(0, 1)
    pooled = target.mixture(stacked, mask, dim)
    torch.testing.assert_close(target.probabilities(target.decode(pooled, None)), expected)


@pytest.mark.parametrize("kind", TARGET_NAMES)
def test_a_divergence_is_zero_for_equals_and_teaches_the_student_alone(kind: str) -> None:
    target = TARGETS[kind]
    one, two = (x.clone().requires_grad_() for x in outputs_of(kind, 2, ROWS))
    assert target.divergence(one, one, 2.0).item() == pytest.approx(0, abs=1e-12)
    value = target.divergence(one, two, 2.0)
    value.backward()
    assert value > 0
    assert one.grad is None
    assert two.grad.abs().sum() > 0
    if kind == "regression":
        expected = (one - two).square().mean()
    else:
        p, q = (
            torch.tensor([slow_probabilities(kind, row) for row in (x / 2).tolist()])
            for x in (one, two)
        )
        terms = p * (p / q).log()
        if kind == "multi-label":
            terms = terms + (1 - p) * ((1 - p) / (1 - q)).log()
        expected = 4 * (terms.mean() if kind == "multi-label" else terms.sum(1).mean())
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", TARGET_NAMES)
def test_samples_without_a_target_are_known(kind: str) -> None:
    task = task_of(kind)
    target: Target = target_of(task)
    none = target.unlabelled(2, task)
    target.check(none, task)
    both = torch.cat([targets_of(kind), none])
    target.check(both, task)
    assert target.labelled(both).tolist() == [True] * ROWS + [False] * 2
    with pytest.raises(ValueError, match="expected"):
        target.check(both.float() if kind != "regression" else both[:, 0], task)


def test_splits_have_some_of_the_rarest_label() -> None:
    y = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]])
    assert TARGETS["multi-label"].strata(y).tolist() == [1, 0, 3, 2]


def test_the_scale_is_the_mean_and_deviation() -> None:
    y = torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    assert scale_of(y) == ((2.0, 1.0), (5.0, 1.0))


@pytest.mark.parametrize("kind", TARGET_NAMES[1:])
def test_smoothing_needs_classes(kind: str) -> None:
    with pytest.raises(ValueError, match="smoothing 0"):
        TARGETS[kind].loss(outputs_of(kind, ROWS), targets_of(kind), 0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "numbers"},
        {"target": "ordinal", "classes": ("a",)},
        {"target": "regression", "dense": True},
        {"target": "regression", "scale": ((0.0, 1.0),)},
        {"target": "regression", "scale": ((0.0, 0.0),) * 3},
        {"scale": ((0.0, 1.0),) * 3},
    ],
)
def test_wrong_tasks_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Task(INPUTS, **{"classes": NAMES, **changes})
