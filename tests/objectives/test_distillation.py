"""MAD, MAR and the ranking behind it, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations, name_of
from dmrnet.nn import Network
from dmrnet.objectives.distillation import (
    MarginAware,
    WeakCombinations,
    frequencies_apart,
    margins,
)

TASK = Task(tuple(Modality(n, "vector", (3,)) for n in "abc"), ("x", "y", "z"))
SMALL = Network(width=8)


def batch_of(mask: torch.Tensor, present: torch.Tensor | None = None, task: Task = TASK) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    present = torch.ones_like(mask) if present is None else present
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in task.inputs}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, present, task.modalities)


def built(task: Task = TASK, recipe: str = "best", **changes):
    torch.manual_seed(0)
    teacher = build_method("full", task, network=Network(width=12))
    model = build_method("mmanet", task, recipe, network=SMALL, **changes)
    model.set_teacher(teacher)
    return model, teacher


def ranked(model, strong: int) -> None:
    model.weak.strong[strong] = True
    model.weak.ranked.fill_(True)


def unit_rows(flat: list[list[float]]) -> list[list[float]]:
    gram = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in flat] for x in flat]
    return [[g / math.sqrt(sum(h * h for h in row)) for g in row] for row in gram]


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


def test_so_it_is_where_every_pixel_has_a_class() -> None:
    draw = torch.Generator().manual_seed(0)
    mine, theirs = torch.randn(2, 2, 3, 2, 2, generator=draw)
    said = torch.randn(2, 3, 4, 4, generator=draw)
    term = MarginAware(1.0, 0)
    assert term.over_positions(mine, theirs, said).isfinite()
    certain = torch.zeros_like(said)
    certain[:, 0] = 1e4
    assert term.over_positions(mine, theirs, certain) > 0
    said[1, 0, 3, 3] = math.nan
    assert term.over_positions(mine, theirs, said).isnan()


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


def test_modality_aware_regularisation_is_of_weak_samples_only() -> None:
    mask = all_combinations(3)
    for recipe in ("best", "released"):
        model, _ = built(recipe=recipe, margin_weight=0.0)
        ranked(model, 1)
        loss = model.training_loss(batch_of(mask), 5)
        term = next(t for t in model.objective.terms if t.name == "modality_aware")
        logits = term.predictor(term.fusion(loss.step.feats, mask).map).logits.tolist()
        ce = [
            math.log(sum(math.exp(x) for x in row)) - row[int(y)]
            for row, y in zip(logits, loss.step.batch.target, strict=True)
        ]
        weak = [i for i, m in enumerate(mask) if name_of(m, TASK.modalities) in ("a", "c", "a+c")]
        expected = sum(ce[i] for i in weak) / len(mask)
        if recipe == "released":
            expected = len(weak) * sum(ce) / len(mask)
        assert loss.parts["modality_aware"].item() == pytest.approx(expected, rel=1e-4)
        torch.testing.assert_close(
            loss.total, loss.step.task.mean + 0.5 * loss.parts["modality_aware"]
        )


def test_ranking_is_of_predicted_classes_in_its_epochs() -> None:
    weak = WeakCombinations(3, 4, first_epoch=1, last_epoch=2)
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 0]]).bool()
    # By epoch: the class that is predicted under each mask, four times each.
    epochs = [[0, 0, 0, 3, 1], [0, 0, 1, 0, 2], [0, 0, 1, 0, 2], [0, 2, 2, 2, 2]]
    said = []
    for classes in epochs:
        logits = torch.nn.functional.one_hot(torch.tensor(classes), 4).float()
        weak.seen.update(mask.repeat(4, 1), logits.repeat(4, 1))
        weak.end_epoch()
        said.append((bool(weak.ranked), weak.strong.tolist()))
    assert said[0] == (False, [False] * 3)
    assert said[1:] == [(True, [False, True, False])] * 3
    got = {name_of(m, "abc") for m in all_combinations(3) if weak.is_weak(m[None])}
    assert got == {"a", "c", "a+c"}


def test_frequencies_are_compared_with_one_added() -> None:
    counts = torch.tensor([[3, 0, 1], [0, 0, 9], [4, 1, 0]]).double()
    got = frequencies_apart(counts)
    full = [x + 1 for x in counts[-1].tolist()]
    for v in range(2):
        row = [x + 1 for x in counts[v].tolist()]
        expected = sum(
            f / sum(full) * math.log((f / sum(full)) / (x / sum(row)))
            for f, x in zip(full, row, strict=True)
        )
        assert got[v].item() == pytest.approx(expected)


def slow_softmax(counts: list[float]) -> list[float]:
    whole = sum(counts)
    e = [math.exp(c / whole) for c in counts]
    return [x / sum(e) for x in e]


def test_ranking_as_released_is_its_code() -> None:
    """Softmax of frequencies on validation, the divergence turned round, added over epochs."""
    weak = WeakCombinations(3, 4, 1, 2, on="val", by="softmax")
    assert weak.asked().tolist() == [
        [False, True, True],
        [True, False, True],
        [True, True, False],
        [True] * 3,
    ]
    draw = torch.Generator().manual_seed(3)
    told = torch.randint(0, 40, (4, 4, 4), generator=draw)
    distance = [0.0] * 3
    for epoch, counts in enumerate(told):
        assert weak.ranks(epoch) == (epoch in (1, 2))
        if weak.ranks(epoch):
            weak.on_validation_predictions(counts)
        weak.end_epoch()
        if epoch in (1, 2):
            everything = slow_softmax(counts[-1].tolist())
            for v in range(3):
                row = slow_softmax(counts[v].tolist())
                distance[v] += sum(
                    p * math.log(p / q) for p, q in zip(row, everything, strict=True)
                )
        assert weak.distances.tolist() == pytest.approx(distance)
    assert weak.strong.tolist() == [d == max(distance) for d in distance]
    letter = WeakCombinations(3, 4, 1, 2, on="val")
    for counts in told[:2]:
        letter.on_validation_predictions(counts)
        letter.end_epoch()
    assert letter.distances.tolist() == pytest.approx(frequencies_apart(told[1].double()).tolist())


def test_recipes_rank_by_what_they_say() -> None:
    chosen = {}
    for recipe in ("best", "paper", "released"):
        weak = built(recipe=recipe)[0].weak
        chosen[recipe] = (weak.on, weak.by, weak.first_epoch, weak.last_epoch)
    seg = method("mmanet").recipe("released-seg")
    assert (seg.margin_weight, seg.weak_weight, seg.start) == (4.0, 0.2, 11)
    assert chosen == {
        "best": ("train", "frequencies", 2, 4),
        "paper": ("val", "frequencies", 2, 4),
        "released": ("val", "softmax", 1, 3),
    }
    batch = batch_of(all_combinations(3))
    for recipe, counted in (("best", 4), ("paper", 0)):
        model, _ = built(recipe=recipe)
        model.training_loss(batch, 0)
        assert int(model.weak.seen.counts.sum()) == counted
        asked = [model.combinations_to_validate(epoch) is not None for epoch in range(6)]
        assert asked == [recipe == "paper" and epoch in (2, 3, 4) for epoch in range(6)]


def test_two_modalities_are_both_weak_and_one_is_not() -> None:
    for v, names in ((2, {"a", "b"}), (1, set())):
        weak = WeakCombinations(v, 3, 2, 4)
        masks = all_combinations(v)
        assert {name_of(m, "ab"[:v]) for m in masks if weak.is_weak(m[None])} == names


def test_terms_wait_for_their_epoch_and_the_ranking_is_reported() -> None:
    model, _ = built()
    batch = batch_of(all_combinations(3).repeat(3, 1))
    for epoch in range(6):
        parts = model.training_loss(batch, epoch).parts
        assert ("margin_aware" in parts) == ("modality_aware" in parts) == (epoch >= 5)
        statistics = model.end_epoch()
        assert int(statistics.hard.sum()) == (3 if epoch >= 2 else 0)
        assert int(statistics.counts.sum()) == 21
    assert parts["modality_aware"] > 0


def test_mistakes_are_told() -> None:
    model = build_method("mmanet", TASK, network=SMALL)
    batch = batch_of(all_combinations(3))
    model.training_loss(batch, 4)
    with pytest.raises(ValueError, match="mmanet has no teacher; hand one over"):
        model.training_loss(batch, 5)
    other = Task(TASK.inputs[:2], TASK.classes)
    with pytest.raises(
        ValueError, match="teacher knows a, b and 3 classes, but the student a, b, c"
    ):
        model.set_teacher(build_method("full", other, network=SMALL))
    turned = Task(TASK.inputs[::-1], TASK.classes)
    with pytest.raises(ValueError, match=r"teacher knows c, b, a .*, but the student a, b, c"):
        model.set_teacher(build_method("full", turned, network=SMALL))
    with pytest.raises(ValueError, match=r"margin_aware reads .* set encodes to present"):
        built(encodes="mask")
    for setting, value in (("rank_on", "test"), ("rank_by", "counts")):
        with pytest.raises(ValueError, match=f"expected {setting} as .*, got '{value}'"):
            built(**{setting: value})
