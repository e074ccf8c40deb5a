"""MMANet's margin-aware distillation, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from tests.objectives.mmanet import (
    batch_of,
    built,
    built_dense,
    dense_batch,
    unit_rows,
)
from torch import nn

from dmrnet.modalities import all_combinations
from dmrnet.objectives.systems import margin_aware
from dmrnet.objectives.systems.margin_aware import MarginAware, margins


@pytest.mark.parametrize("complete", [True, False])
def test_margin_aware_distillation_is_its_equation(complete: bool) -> None:
    model, teacher = built()
    present = all_combinations(3)
    full = torch.ones_like(present)
    mask = present & torch.tensor([False, True, True])
    mask = torch.where(mask.any(1, keepdim=True), mask, present)
    batch = batch_of(mask, full if complete else present)
    loss = model.training_loss(batch, 5)
    teacher.eval()
    feats = teacher.encode(batch.inputs, batch.where)
    theirs = teacher.fuse(feats, batch.present).map
    seen = teacher(batch.inputs, batch.present)
    entropies = []
    for row in seen.tolist():
        total = sum(math.exp(x) for x in row)
        entropies.append(-sum(math.exp(x) / total * (x - math.log(total)) for x in row))
    s, t = (
        unit_rows(m.detach().flatten(1).double().tolist()) for m in (loss.step.fused.map, theirs)
    )
    expected = sum(
        entropies[j] / sum(entropies) * (s[i][j] - t[i][j]) ** 2
        for i in range(len(mask))
        for j in range(len(mask))
    )
    assert loss.parts["margin_aware"].item() == pytest.approx(expected, rel=1e-3)


def test_margins_survive_certainty() -> None:
    """The logarithm of a probability that underflowed made the released code's term NaN."""
    logits = torch.tensor([[0.0, 1e4], [1.0, 1.1]], requires_grad=True)
    assert logits.detach().softmax(1)[0, 0] == 0
    weights = margins(logits)
    assert weights.tolist() == pytest.approx([0.0, 1.0])
    weights.sum().backward()
    assert logits.grad.isfinite().all()
    assert margins(torch.tensor([[0.0, 1e4], [1e4, 0.0]])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_teacher_whose_logits_are_no_numbers_is_seen_in_the_loss(bad: float) -> None:
    """Equal weights in their place would hide it."""
    logits = torch.tensor([[0.0, 1.0], [bad, 0.0]])
    assert margins(logits).isnan().all()
    model, _ = built()
    term = next(t for t in model.objective.terms if isinstance(t, MarginAware))
    assert term.teacher is not None
    batch = batch_of(torch.ones(4, 3, dtype=torch.bool))
    assert model.training_loss(batch, 5).parts["margin_aware"].isfinite()
    layers = [m for m in term.teacher.module.predictor.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        layers[-1].bias[0] = bad
    assert model.training_loss(batch, 5).parts["margin_aware"].isnan()


def test_margins_of_pixels_survive_certainty_and_show_nan() -> None:
    draw = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 2, 2, generator=draw)
    logits = torch.randn(2, 3, 4, 4, generator=draw)
    term = MarginAware(1.0, 0)
    assert term.over_positions(student, teacher, logits).isfinite()
    certain = torch.zeros_like(logits)
    certain[:, 0] = 1e4
    assert term.over_positions(student, teacher, certain) > 0
    logits[1, 0, 3, 3] = math.nan
    assert term.over_positions(student, teacher, logits).isnan()


def test_the_teacher_gets_no_gradient_and_the_student_learns_its_similarities() -> None:
    model, teacher = built(weak_weight=0.0)
    mask = all_combinations(3)
    losses = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002)
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.training_loss(batch_of(mask), 5)
        loss.total.backward()
        optimizer.step()
        losses.append(loss.parts["margin_aware"].item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    names = {n for n, _ in model.named_parameters()}
    assert not any("teacher" in n for n in names | set(model.state_dict()))


@pytest.mark.parametrize("images", [3, 2])
def test_positions_are_the_samples_of_margin_aware_distillation(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(margin_aware, "MOST_ROWS", 2 * images)  # a map has two positions
    model, teacher = built_dense()
    some = dense_batch()
    loss = model.training_loss(some, 5)
    teacher.eval()
    with torch.no_grad():
        theirs = teacher.fuse(teacher.encode(some.inputs, some.where), some.present).map
        logits = teacher(some.inputs, some.present)
    mine = loss.step.fused.map.detach()
    assert mine.shape[2:] == (2, 1)

    def rows(maps: torch.Tensor, group: range) -> list[list[float]]:
        return [maps[n, :, y, 0].double().tolist() for n in group for y in range(2)]

    total = 0.0
    for group in (range(3),) if images == 3 else (range(2), range(2, 3)):
        entropies = []
        for n in group:
            for y in range(2):
                pixels = logits[n, :, 16 * y : 16 * y + 16].flatten(1).T.tolist()
                of = []
                for row in pixels:
                    norm = math.log(sum(math.exp(x) for x in row))
                    of.append(-sum(math.exp(x - norm) * (x - norm) for x in row))
                entropies.append(sum(of) / len(of))
        s, t = unit_rows(rows(mine, group)), unit_rows(rows(theirs, group))
        term = sum(
            entropies[i] / sum(entropies) * (s[i][j] - t[i][j]) ** 2
            for i in range(len(s))
            for j in range(len(s))
        )
        total += term * len(group)
    assert loss.parts["margin_aware"].item() == pytest.approx(total / 3, rel=1e-3)
    assert loss.parts["margin_aware"] > 0
