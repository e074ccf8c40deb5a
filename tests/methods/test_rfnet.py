"""RFNet's regions, weights and terms, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.systems.rfnet import RegionMixing

TASK = Task(tuple(Modality(n, "image", (1, 8, 8)) for n in "abc"), ("x", "y", "z"))


def built(task: Task = TASK, **changes):
    torch.manual_seed(0)
    return build_method("rfnet", task, network=Network(width=8), **changes)


def batch_of(mask: torch.Tensor, present: torch.Tensor) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in TASK.inputs}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, present, TASK.modalities)


def test_no_gradient_goes_through_the_regions_but_by_their_term() -> None:
    mask = all_combinations(3)
    for weight, reached in ((0.0, False), (1.0, True)):
        model = built(region_weight=weight)
        model.training_loss(batch_of(mask, torch.ones_like(mask))).total.backward()
        assert bool(model.fusion.mix.regions.weight.grad.any()) == reached


def test_terms_are_their_equations() -> None:
    model = built()
    present = all_combinations(3)
    mask = present & torch.tensor([True, True, False])
    mask = torch.where(mask.any(1, keepdim=True), mask, present)
    loss = model.training_loss(batch_of(mask, present))
    step, target = loss.step, loss.step.batch.target
    separate = next(t for t in model.objective.terms if t.name == "separate")

    def ce(row: list[float], y: int) -> float:
        return math.log(sum(math.exp(x) for x in row)) - row[y]

    pooled = step.fused.extras["regions"][0].mean((2, 3)).tolist()
    regions = sum(ce(row, int(y)) for row, y in zip(pooled, target, strict=True)) / len(mask)
    assert loss.parts["regions"].item() == pytest.approx(regions, rel=1e-5)
    rows = [(i, v) for v in range(3) for i in range(len(mask)) if present[i, v]]
    maps = torch.stack([step.feats["abc"[v]][i] for i, v in rows])
    logits = separate.predictor(separate.trunk(maps)).logits.tolist()
    alone = sum(ce(row, int(target[i])) for row, (i, _) in zip(logits, rows, strict=True))
    assert loss.parts["separate"].item() == pytest.approx(alone / len(mask), rel=1e-4)
    torch.testing.assert_close(loss.total.detach(), sum(loss.parts.values()))


def test_the_short_cut_of_the_masked_maps_is_half_of_what_goes_on() -> None:
    torch.manual_seed(0)
    mix = RegionMixing(3, 4, 2, plane=True).eval()
    maps = torch.randn(2, 3, 4, 2, 3)
    mixed, _ = mix(maps, torch.ones(2, 3, dtype=torch.bool))
    assert [m.kernel_size[0] for m in mix.short if isinstance(m, nn.Conv2d)] == [1, 3, 1]
    torch.testing.assert_close(mixed[:, 6:], mix.short(maps.reshape(2, 12, 2, 3)))
    assert mixed.shape[1] == 12


def test_modalities_have_weights_of_their_own() -> None:
    """With the weights switched off (all one half) the prediction differs."""
    model = built().eval()
    inputs = {n: torch.randn(2, 1, 8, 8) for n in "abc"}
    mask = torch.ones(2, 3, dtype=torch.bool)
    before = model(inputs, mask)
    with torch.no_grad():
        model.fusion.mix.weights.w2.zero_()
        model.fusion.mix.weights.b2.zero_()
    assert not torch.isclose(model(inputs, mask), before).all(1).any()


def test_the_fused_prediction_may_be_learnt_late() -> None:
    model = built(fuse_start=2)
    mask = all_combinations(3)
    batch = batch_of(mask, torch.ones_like(mask))
    loss = model.training_loss(batch, 1)
    assert "task" not in loss.parts
    loss.total.backward()
    # Zero and not none, so that processes that train together need not know.
    trunk = [p.grad for p in (*model.fusion.trunk.parameters(), *model.predictor.parameters())]
    assert all(grad is not None and not grad.any() for grad in trunk)
    assert model.fusion.mix.regions.weight.grad.any()
    assert "task" in model.training_loss(batch, 2).parts


def test_regions_of_another_number_have_no_term() -> None:
    names = [t.name for t in built(regions=2).objective.terms]
    assert names == ["task", "separate"]
    with pytest.raises(ValueError, match="regions of 1 or more, got 0"):
        built(regions=0)
    with pytest.raises(ValueError, match=r"the term separate reads .* set encodes to present"):
        built(encodes="mask")
