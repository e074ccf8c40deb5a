"""SimMLM: the mixture of experts and the ranking of nested masks, against plain loops."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Task, all_combinations
from dmrnet.nn import Network
from dmrnet.objectives.systems.more_vs_fewer import MoreVsFewer, nested_mask
from dmrnet.testing.batches import every_combination, random_batch, task_of

TASK = task_of(("vector", (3,)), ("image", (1, 8, 8)), ("sequence", (2, 9)))
PIXELS = task_of(("image", (1, 32, 32)), ("image", (2, 32, 32)), dense=True)
SMALL = Network(width=8)


def built(task: Task = TASK, network: Network = SMALL, **changes: object) -> Method:
    torch.manual_seed(0)
    return build_method("simmlm", task, network=network, **changes)


def term_of(model: Method) -> MoreVsFewer:
    (term,) = (t for t in model.objective.terms if isinstance(t, MoreVsFewer))
    return term


# --- the second mask ------------------------------------------------------------------------------


def nested_with(mask: tuple[bool, ...], present: tuple[bool, ...]) -> list[tuple[bool, ...]]:
    """Return the combinations of present modalities that are parts of a mask, or hold it."""
    found = []
    for row in all_combinations(len(mask)).tolist():
        inside = all(p or not r for r, p in zip(row, present, strict=True))
        smaller = all(m or not r for r, m in zip(row, mask, strict=True))
        larger = all(r or not m for r, m in zip(row, mask, strict=True))
        if inside and (smaller or larger) and tuple(row) != mask:
            found.append(tuple(row))
    return found


def test_nested_masks_are_all_equally_likely() -> None:
    rows, v = 6000, 4
    every = [tuple(row) for row in all_combinations(v).tolist()]
    for present in ((True,) * 4, (True, False, True, True), (False, True, False, False)):
        for mask in every:
            if any(m and not p for m, p in zip(mask, present, strict=True)):
                continue
            shown = torch.tensor([mask]).expand(rows, -1)
            held = torch.tensor([present]).expand(rows, -1)
            drawn = nested_mask(shown, held, torch.arange(rows), 5)
            counts = Counter(map(tuple, drawn.tolist()))
            possible = nested_with(mask, present) or [mask]
            assert set(counts) == set(possible)
            expected = rows / len(possible)
            chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
            assert chi_square <= len(possible) - 1 + 5 * math.sqrt(2 * len(possible))


def test_many_modalities_are_nested_too() -> None:
    present = torch.ones(500, 40, dtype=torch.bool)
    mask = torch.rand(500, 40, generator=torch.Generator().manual_seed(0)) < 0.5
    drawn = nested_mask(mask, present, torch.arange(500), 1)
    smaller, larger = (mask | ~drawn).all(1), (drawn | ~mask).all(1)
    assert (smaller ^ larger).all()
    assert drawn.any(1).all()
    assert smaller.any()
    assert larger.any()


def test_masks_depend_on_sample_epoch_and_seed_alone() -> None:
    term, batch = MoreVsFewer(0.1), random_batch(TASK, every_combination(TASK, 3))
    first = term.second_mask(batch, 2)
    assert torch.equal(term.second_mask(batch, 2), first)
    assert not torch.equal(term.second_mask(batch, 3), first)
    assert not torch.equal(MoreVsFewer(0.1).second_mask(batch, 2), first)


# --- the mixture ----------------------------------------------------------------------------------


def slow_mixture(scores: list[list[float]], logits: list[list[float]], mask: list[bool]) -> Tensor:
    """Return z_S of one sample from the router's scores and the experts' logits, V x M each."""
    mixed = []
    for m in range(len(scores[0])):
        total = sum(math.exp(s[m]) for s, seen in zip(scores, mask, strict=True) if seen)
        mixed.append(
            sum(
                math.exp(s[m]) / total * u[m]
                for s, u, seen in zip(scores, logits, mask, strict=True)
                if seen
            )
        )
    return torch.tensor(mixed)


def test_visible_experts_are_mixed_class_by_class() -> None:
    model = built().eval()
    masks = all_combinations(3)
    batch = random_batch(TASK, masks)
    got = model(batch.inputs, masks)
    for i, mask in enumerate(masks.tolist()):
        gates, logits = [], []
        for name, expert, seen in zip(TASK.modalities, model.encoders, mask, strict=True):
            x = batch.inputs[name][i : i + 1]
            gates.append(expert.gate(x).flatten() if seen else torch.zeros(16))
            logits.append(expert(x).flatten()[:3].tolist())
        scores = model.fusion.router(torch.cat(gates)).view(3, 3).tolist()
        torch.testing.assert_close(got[i], slow_mixture(scores, logits, mask), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "network", [SMALL, Network(family="esanet", stem=8, layout="r18")], ids=["generic", "esanet"]
)
def test_pixels_share_the_weights_of_their_image_at_every_scale(network: Network) -> None:
    model = built(PIXELS, network).train()
    masks = torch.tensor([[True, True], [True, False], [False, True]])
    batch = random_batch(PIXELS, masks, torch.ones_like(masks))
    step = model.step(batch)
    gates = [step.feats[f"{name}.gate"].flatten(1) for name in PIXELS.modalities]
    scales = [step.out.logits, *step.out.side]
    assert f"m0.{len(scales)}" not in step.feats
    for i, mask in enumerate(masks.tolist()):
        seen = torch.cat([g[i] * m for g, m in zip(gates, mask, strict=True)])
        scores = model.fusion.router(seen).view(2, 3).tolist()
        for level, mixed in enumerate(scales):
            logits = [step.feats[f"{name}.{level}"][i, :, 0, 0].tolist() for name in ("m0", "m1")]
            expected = slow_mixture(scores, logits, mask)
            torch.testing.assert_close(mixed[i, :, 0, 0], expected, atol=1e-4, rtol=1e-3)
    # A modality that no sample has leaves the others as they are.
    nobody = torch.tensor([[True, False]] * 3)
    loss = model.training_loss(random_batch(PIXELS, nobody, nobody, nobody)).total
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert not any(p.grad.any() for p in model.encoders[1].parameters() if p.grad is not None)


# --- the loss -------------------------------------------------------------------------------------


def slow_losses(logits: Tensor, target: Tensor) -> list[float]:
    return [
        math.log(sum(math.exp(u) for u in row)) - row[y]
        for row, y in zip(logits.tolist(), target.tolist(), strict=True)
    ]


@pytest.mark.parametrize("weight", [0.1, 2.0])
def test_the_loss_is_its_equation(weight: float) -> None:
    model = built(rank_weight=weight)
    present = every_combination(TASK, 4)
    mask = present & (torch.rand(present.shape, generator=torch.Generator().manual_seed(2)) < 0.7)
    mask = torch.where(mask.any(1, keepdim=True), mask, present)
    loss = model.training_loss(random_batch(TASK, mask, present, present), 3)
    step, target = loss.step, loss.step.batch.target
    one, two = slow_losses(step.out.logits, target), slow_losses(step.second.out.logits, target)
    excess, pairs = [], 0
    for a, b, first, second in zip(
        one, two, step.mask.tolist(), step.second.mask.tolist(), strict=True
    ):
        if sum(first) != sum(second):
            pairs += 1
            excess.append(max(0.0, a - b if sum(first) > sum(second) else b - a))
    rank = sum(excess) / len(one)
    assert pairs > len(one) / 2
    assert rank > 0
    assert loss.parts["more_vs_fewer"].item() == pytest.approx(rank, rel=1e-4)
    mean = (sum(one) + sum(two)) / (2 * len(one))
    assert loss.total.item() == pytest.approx(mean + weight * rank, rel=1e-4)


@pytest.mark.parametrize("detach", [True, False])
def test_the_ranking_raises_the_smaller_combinations_loss_only_as_released(detach: bool) -> None:
    """Samples: the larger is worse, the larger is better, seen second and worse, no pair."""
    model = built(detach_fewer=detach)
    first = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]).bool()
    second = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 1], [1, 0, 0]]).bool()
    step = model.step(random_batch(TASK, first, torch.ones_like(first)))
    one = torch.tensor([2.0, 1.0, 1.0, 3.0], requires_grad=True)
    two = torch.tensor([1.0, 2.0, 4.0, 1.0], requires_grad=True)
    step = replace(
        step,
        task=replace(step.task, per_sample=one),
        second=replace(step.second, mask=second, task=replace(step.second.task, per_sample=two)),
    )
    value = term_of(model)(step)
    assert value.item() == pytest.approx((1 + 0 + 3 + 0) / 4)
    mine, other = torch.autograd.grad(value, (one, two))
    lower = 0.0 if detach else -0.25
    assert mine.tolist() == [0.25, 0.0, lower, 0.0]
    assert other.tolist() == [lower, 0.0, 0.25, 0.0]


def test_recipes_and_mistakes() -> None:
    assert term_of(built()).detach_fewer
    torch.manual_seed(0)
    released = build_method("simmlm", TASK, "released", network=SMALL)
    assert (term_of(released).detach_fewer, term_of(released).full_weight) == (False, 0.1)
    with pytest.raises(ValueError, match="set encodes to present"):
        built(encodes="mask")
    with pytest.raises(ValueError, match="gate_width of 1 or more, got 0"):
        built(gate_width=0)
    with pytest.raises(ValueError, match="weight of more_vs_fewer of 0 or more, got -1"):
        built(rank_weight=-1.0)


def test_one_modality_is_its_expert_and_ranks_nothing() -> None:
    task = Task(TASK.inputs[:1], TASK.classes)
    model = built(task)
    batch = random_batch(task, torch.ones(5, 1, dtype=torch.bool))
    loss = model.training_loss(batch)
    assert loss.parts["more_vs_fewer"] == 0
    logits = loss.step.feats["m0"][:, :3, 0, 0]
    torch.testing.assert_close(loss.step.out.logits, logits)
