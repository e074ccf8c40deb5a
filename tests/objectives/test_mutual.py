"""Two masks of a sample: how the second is drawn, and what their divergence is."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch

from dmrnet.methods import METHODS, build_method, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations, index_of
from dmrnet.nn import Network
from dmrnet.objectives import Mutual
from dmrnet.objectives.mutual import mask_of

TASK = Task(tuple(Modality(n, "vector", (3,)) for n in "abc"), ("x", "y", "z"))
N = 21_000


def batch_of(present: torch.Tensor) -> Batch:
    rows = len(present)
    draw = torch.Generator().manual_seed(0)
    inputs = {n: torch.randn(rows, 3, generator=draw) for n in TASK.modalities}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(present, present, TASK.modalities)


def built(name: str = "mutual", **changes):
    torch.manual_seed(0)
    return build_method(name, TASK, network=Network(width=8), **changes)


def test_second_masks_are_uniform_over_present_modalities() -> None:
    for held in all_combinations(3):
        masks = mask_of(held.expand(N, 3), torch.arange(N), 5)
        assert not (masks & ~held).any()
        counts = torch.bincount(index_of(masks), minlength=8)
        assert counts[0] == 0
        possible = 2 ** int(held.sum()) - 1
        assert int((counts > 0).sum()) == possible
        expected = N / possible
        chi_square = ((counts[counts > 0] - expected) ** 2 / expected).sum()
        assert chi_square < possible - 1 + 5 * math.sqrt(2 * possible)


def test_epochs_samples_and_seeds_draw_independently() -> None:
    present = torch.ones(N, 3, dtype=torch.bool)
    index = torch.arange(N)
    first = index_of(mask_of(present, index, 5))
    for other in (
        index_of(mask_of(present, index, 6)),
        index_of(mask_of(present, index + 1, 5)),
        index_of(mask_of(present, index, 5 + 2**31)),
    ):
        pairs = torch.bincount(first * 8 + other, minlength=64).view(8, 8)[1:, 1:].double()
        expected = N / 49
        assert ((pairs - expected) ** 2 / expected).sum() < 48 + 5 * math.sqrt(96)
    torch.manual_seed(1)
    assert Mutual().salt != Mutual().salt


def test_how_rows_are_parted_changes_no_mask() -> None:
    present = torch.ones(8, 3, dtype=torch.bool)
    index = torch.arange(8) * 37
    whole = mask_of(present, index, 3)
    for rows in (slice(0, 8, 2), slice(1, 8, 2)):
        assert torch.equal(mask_of(present[rows], index[rows], 3), whole[rows])


def slow_divergence(teacher: list[float], student: list[float], t: float) -> float:
    def softmax(row: list[float]) -> list[float]:
        weights = [math.exp(value / t) for value in row]
        return [w / sum(weights) for w in weights]

    p, q = softmax(teacher), softmax(student)
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 3.5])
def test_the_term_is_its_equation(temperature: float) -> None:
    model = built(temperature=temperature)
    loss = model.training_loss(batch_of(torch.ones(9, 3, dtype=torch.bool)), 4)
    one, two = loss.step.out.logits.tolist(), loss.step.second.out.logits.tolist()
    expected = sum(
        slow_divergence(b, a, temperature) + slow_divergence(a, b, temperature)
        for a, b in zip(one, two, strict=True)
    )
    expected *= temperature**2 / (2 * 9)
    assert loss.parts["mutual"].item() == pytest.approx(expected, rel=1e-4)
    assert expected > 1e-4


def test_task_loss_is_of_both_masks_and_the_control_has_no_term() -> None:
    batch = batch_of(torch.ones(9, 3, dtype=torch.bool))
    model, control = built(), built(mutual=0.0)
    loss, plain = model.training_loss(batch, 4), control.training_loss(batch, 4)
    assert set(plain.parts) == {"task"}
    second = torch.nn.functional.cross_entropy(plain.step.second.out.logits, batch.target)
    first = torch.nn.functional.cross_entropy(plain.step.out.logits, batch.target)
    torch.testing.assert_close(plain.total, (first + second) / 2)
    torch.testing.assert_close(loss.total, plain.total + loss.parts["mutual"])
    assert loss.parts["mutual"] > 0


def test_gradients_of_the_term_go_to_the_student_only() -> None:
    """Of KL(t || p) with t held fixed, the gradient by p's logits over T is softmax - t."""
    model = built()
    step = model.step(batch_of(torch.ones(5, 3, dtype=torch.bool)), 1)
    one, two = (o.logits.detach().requires_grad_() for o in (step.out, step.second.out))
    step = replace(
        step,
        out=replace(step.out, logits=one),
        second=replace(step.second, out=replace(step.second.out, logits=two)),
    )
    (term,) = (t for t in model.objective.terms if isinstance(t, Mutual))
    mine, other = torch.autograd.grad(term(step), (one, two))
    p, q = (one / 2).softmax(1), (two / 2).softmax(1)
    torch.testing.assert_close(mine, 2**2 / (2 * 5) * (p - q) / 2)
    torch.testing.assert_close(other, -mine)


def test_the_second_mask_sees_other_features_than_the_first() -> None:
    model = built()
    batch = batch_of(torch.ones(40, 3, dtype=torch.bool))
    step = model.step(batch, 2)
    assert step.second.mask.any(1).all()
    different = (step.second.mask != step.mask).any(1)
    assert 20 < int(different.sum()) < 40
    model.eval()
    step = model.step(batch, 2)
    expected = model(batch.inputs, step.second.mask)
    torch.testing.assert_close(step.second.out.logits, expected, atol=1e-5, rtol=1e-5)


def test_one_modality_learns_nothing_from_itself() -> None:
    task = Task(TASK.inputs[:1], TASK.classes)
    model = build_method("mutual", task, network=Network(width=8))
    batch = batch_of(torch.ones(6, 3, dtype=torch.bool))
    one = batch.present[:, :1]
    batch = Batch({"a": batch.inputs["a"]}, one, batch.target, batch.index)
    assert model.training_loss(batch.masked(one, one, ("a",))).parts["mutual"] < 1e-6


MASKED = [n for n in METHODS if "mutual" in {f.name for f in fields(method(n))}]


def test_methods_that_drop_nothing_have_no_second_mask() -> None:
    assert set(METHODS) - set(MASKED) == {"full", "unimodal", "separate"}


@pytest.mark.parametrize("name", MASKED)
def test_any_method_takes_the_term(name: str) -> None:
    model = built(name, mutual=0.5, encodes="present")
    if model.needs.prerequisite is not None:
        model.set_teacher(build_method(model.needs.prerequisite, TASK, network=Network(width=8)))
    batch = batch_of(torch.ones(9, 3, dtype=torch.bool))
    loss = model.training_loss(batch, 9, torch.Generator().manual_seed(0))
    assert loss.parts["mutual"] > 0
    weights = {t.name: t.weight(9) for t in model.objective.terms}
    assert weights["mutual"] == 0.5
    total = sum(weights[name] * value for name, value in loss.parts.items())
    torch.testing.assert_close(loss.total.detach(), total)


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match=r"term mutual reads features .* set encodes to present"):
        built("dmr", mutual=1.0)
    with pytest.raises(ValueError, match="temperature above 0, got 0"):
        built(temperature=0)
    with pytest.raises(ValueError, match="weight of mutual of 0 or more, got -1"):
        built(mutual=-1.0)
