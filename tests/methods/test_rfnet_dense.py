"""RFNet for every pixel: its terms against loops, and that regions matter."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.objectives.systems.dice import dice

WEIGHTS = (0.5, 2.0, 1.0)
ROOMS = Task(
    (Modality("rgb", "image", (3, 32, 16)), Modality("depth", "image", (1, 32, 16))),
    ("wall", "floor", "bed"),
    dense=True,
    class_weights=WEIGHTS,
)


def built(recipe: str = "best", **changes):
    torch.manual_seed(0)
    return build_method("rfnet", ROOMS, recipe, network=Network(width=8), **changes)


def batch(present: torch.Tensor | None = None) -> Batch:
    draw = torch.Generator().manual_seed(0)
    mask = all_combinations(2)
    present = torch.ones_like(mask) if present is None else present
    inputs = {m.name: torch.randn(3, *m.shape, generator=draw) for m in ROOMS.inputs}
    target = torch.randint(-1, 3, (3, 32, 16), generator=draw)
    made = Batch(inputs, present, target, torch.arange(3))
    return made.masked(mask & present, present, ROOMS.modalities)


def slow_ce(logits: torch.Tensor, target: torch.Tensor) -> tuple[float, float]:
    """Return the weighted sum over labelled pixels ``(n, M, h, w)`` and the sum of weights."""
    step = target.shape[1] // logits.shape[2]
    total = size = 0.0
    for n in range(len(logits)):
        rows = logits[n].permute(1, 2, 0).tolist()
        for y, line in enumerate(rows):
            for x, row in enumerate(line):
                label = int(target[n, y * step, x * step])
                if label >= 0:
                    norm = math.log(sum(math.exp(value) for value in row))
                    total += WEIGHTS[label] * (norm - row[label])
                    size += WEIGHTS[label]
    return total, size


def slow_dice(logits: torch.Tensor, target: torch.Tensor) -> float:
    step = target.shape[1] // logits.shape[2]
    both, sizes = [0.0] * 3, [0.0] * 3
    for n in range(len(logits)):
        for y in range(logits.shape[2]):
            for x in range(logits.shape[3]):
                label = int(target[n, y * step, x * step])
                if label < 0:
                    continue
                row = [math.exp(v) for v in logits[n, :, y, x].tolist()]
                for c in range(3):
                    p, t = row[c] / sum(row), float(label == c)
                    both[c] += p * t
                    sizes[c] += p + t
    return 1 - sum(2 * b / (s + 1e-7) for b, s in zip(both, sizes, strict=True)) / 3


@pytest.mark.parametrize("recipe", ["best", "paper"])
def test_terms_are_their_equations(recipe: str) -> None:
    model = built(recipe)
    present = torch.tensor([[True, True], [True, True], [False, True]])
    some = batch(present)
    loss = model.training_loss(some)
    step, target = loss.step, some.target
    dices = recipe == "paper"
    assert len(step.fused.extras["regions"]) == 4
    regions = 0.0
    for logits in step.fused.extras["regions"]:
        total, size = slow_ce(logits, target)
        regions += total / size + (slow_dice(logits, target) if dices else 0.0)
    assert loss.parts["regions"].item() == pytest.approx(regions, rel=1e-4)

    term = next(t for t in model.objective.terms if t.name == "separate")
    levels = range(4)
    rows = [(v, i) for v in range(2) for i in range(3) if present[i, v]]
    maps = [
        torch.stack([step.feats[f"{ROOMS.modalities[v]}.{k}"][i] for v, i in rows]) for k in levels
    ]
    logits = term.alone(maps).logits.detach()
    whole = slow_ce(torch.zeros(3, 3, 32, 16), target)[1]
    separate = slow_ce(logits, torch.stack([target[i] for _, i in rows]))[0] / whole
    if dices:
        first = [k for k, (v, _) in enumerate(rows) if v == 0]
        second = [k for k, (v, _) in enumerate(rows) if v == 1]
        for of in (first, second):
            own = torch.stack([target[rows[k][1]] for k in of])
            separate += slow_dice(logits[of], own)
    assert loss.parts["separate"].item() == pytest.approx(separate, rel=1e-4)

    task, size = slow_ce(step.out.logits, target)
    assert loss.parts["task"].item() == pytest.approx(task / size, rel=1e-4)
    expected = sum(loss.parts.values())
    torch.testing.assert_close(loss.total.detach(), expected)
    assert ("dice" in loss.parts) == dices
    if dices:
        assert loss.parts["dice"].item() == pytest.approx(
            slow_dice(step.out.logits, target), rel=1e-4
        )


def test_dice_of_the_decided() -> None:
    logits = torch.tensor([[30.0, -30.0], [-30.0, 30.0]])[None, :, None, :]  # classes 0, 1
    for labels, expected in (((0, 1), 0.0), ((1, 0), 1.0), ((0, -1), 0.5), ((0, 0), 2 / 3)):
        # Half of it where nothing of class 1 is labelled; an unlabelled pixel counts for nothing.
        assert dice(logits, torch.tensor([[labels]])).item() == pytest.approx(expected, abs=1e-5)


def test_modalities_have_weights_of_their_own_at_every_level() -> None:
    """With the weights of a level switched off (all one half) the prediction differs."""
    some = batch()
    for level in range(4):
        model = built()  # in training, where norms keep what is deep from fading
        before = model(some.inputs, some.mask)
        weights = model.fusion.meets[level].mix.weights
        with torch.no_grad():
            weights.w2.zero_()
            weights.b2.zero_()
        after = model(some.inputs, some.mask)
        assert (after - before).flatten(1).abs().amax(1).min() > 1e-3


def test_terms_switch_off_and_the_fusion_may_wait() -> None:
    names = [t.name for t in built(regions=2).objective.terms]
    assert names == ["task", "separate"]
    model = built("paper", fuse_start=2)
    assert not {"task", "dice"} & set(model.training_loss(batch(), 1).parts)
    assert {"task", "dice"} <= set(model.training_loss(batch(), 2).parts)
    with pytest.raises(ValueError, match="dice of 0 or more, got -1"):
        built(dice=-1.0)


def test_a_region_gets_its_gradient_from_its_term_alone() -> None:
    for weight, reached in ((0.0, False), (1.0, True)):
        model = built(region_weight=weight)
        model.training_loss(batch()).total.backward()
        for meet in model.fusion.meets:
            assert bool(meet.mix.regions.weight.grad.any()) == reached
