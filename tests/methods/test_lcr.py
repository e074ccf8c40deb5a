"""LCR's correlation expression and term, against loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dmrnet.methods import build_method, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.systems.lcr import DualAttention, StandIn

TASK = Task(tuple(Modality(n, "image", (1, 8, 8)) for n in "abc"), ("x", "y", "z"))


def built(task: Task = TASK, **changes):
    torch.manual_seed(0)
    return build_method("lcr", task, network=Network(width=8), **changes)


def batch_of(mask: torch.Tensor, task: Task = TASK) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in task.inputs}
    batch = Batch(inputs, torch.ones_like(mask), torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, mask, task.modalities)


def test_features_reach_the_trunk_through_the_others_only() -> None:
    """With its own expression switched off in the trunk, a modality is still read, by others."""
    model = built().eval()
    both = torch.tensor([[True, True, False]])
    maps = {n: torch.randn(1, 8, 2, 2) for n in "abc"}
    base = model.fuse(maps, both).extras["correlation"][1]
    moved = model.fuse({**maps, "a": maps["a"] + torch.randn(8, 1, 1)}, both).extras["correlation"][
        1
    ]
    plain = maps["a"] - maps["a"].mean((2, 3), keepdim=True)  # same pooled, so the same Gamma
    shuffled = {**maps, "a": maps["a"] - 2 * plain}
    same_pool = model.fuse(shuffled, both).extras["correlation"][1]
    torch.testing.assert_close(same_pool[:, 0], base[:, 0])
    assert not torch.allclose(same_pool[:, 1], base[:, 1])
    assert not torch.allclose(same_pool[:, 2], base[:, 2])
    assert not torch.allclose(moved[:, 0], base[:, 0])


def slow_softmax(row: list[float]) -> list[float]:
    return [math.exp(x) / sum(math.exp(y) for y in row) for x in row]


@pytest.mark.parametrize("own", [False, True])
def test_the_correlation_term_is_its_equation(own: bool) -> None:
    model = built(correlation=0.5, own=own)
    mask = all_combinations(3)
    loss = model.training_loss(batch_of(mask))
    features, expressed = loss.step.fused.extras["correlation"]
    total = 0.0
    for n, seen in enumerate(mask.tolist()):
        k = sum(seen)
        for i in range(3):
            if not seen[i] or (k == 1 and not own):
                continue
            f, e = features[n, i].flatten(1).T.tolist(), expressed[n, i].flatten(1).T.tolist()
            kls = [
                sum(
                    p * math.log(p / q)
                    for p, q in zip(slow_softmax(a), slow_softmax(b), strict=True)
                )
                for a, b in zip(f, e, strict=True)
            ]
            total += sum(kls) / len(kls) / k
    assert loss.parts["correlation"].item() == pytest.approx(total / len(mask), rel=1e-4)
    torch.testing.assert_close(loss.total, loss.step.task.mean + 0.5 * loss.parts["correlation"])
    assert "correlation" not in built().training_loss(batch_of(mask)).parts


def test_the_paper_has_the_term_and_the_released_adaptation_has_not() -> None:
    for recipe, names in (("paper", ["task", "correlation"]), ("released", ["task"])):
        assert method("lcr").recipe(recipe).hides == (
            "inputs" if recipe == "released" else "features"
        )
        model = build_method("lcr", TASK, recipe, network=Network(width=8))
        assert [t.name for t in model.objective.terms] == names


def test_inputs_are_blanked_in_training_as_released() -> None:
    """Encoders see blanks, batch norms with them; the fusion hides nothing; at test it does."""
    model = built(hides="inputs", encodes="present")
    plain = built()  # the same weights
    mask = all_combinations(3)
    batch = batch_of(mask)
    batch = batch.masked(mask, torch.ones_like(mask), TASK.modalities)
    step = model.step(batch)
    for v, (name, encoder) in enumerate(zip("abc", plain.encoders, strict=True)):
        blank = batch.inputs[name] * mask[:, v].view(-1, 1, 1, 1)
        expected = encoder(blank)
        torch.testing.assert_close(step.feats[name], expected)
        features = step.fused.extras["correlation"][0][:, v]
        torch.testing.assert_close(features, expected)
        assert features[~mask[:, v]].abs().sum() > 0
        for mine, theirs in zip(model.encoders[v].buffers(), encoder.buffers(), strict=True):
            torch.testing.assert_close(mine, theirs)
    model.eval()
    features = model.step(batch).fused.extras["correlation"][0]
    assert not features[~mask].any()
    # What a sample lacks is not encoded as a blank.
    present = mask | (torch.arange(3) == 0)
    model.train()
    some = replace(batch, present=present).masked(mask & present, present, TASK.modalities)
    lacking = model.step(some).feats["b"][~present[:, 1]]
    assert len(lacking)
    assert not lacking.any()


def test_the_paper_attends_and_attention_matters() -> None:
    model = build_method("lcr", TASK, "paper", network=Network(width=8)).eval()
    attend = model.fusion.trunk[0]
    assert isinstance(attend, DualAttention)
    inputs = {n: torch.randn(2, 1, 8, 8) for n in "abc"}
    mask = torch.ones(2, 3, dtype=torch.bool)
    before = model(inputs, mask)
    attend.forward = lambda x: x
    assert not torch.isclose(model(inputs, mask), before).all(1).any()
    assert not isinstance(built().fusion.trunk[0], DualAttention)


def test_the_paper_recipe_replaces_hidden_modalities() -> None:
    model = build_method("lcr", TASK, "paper", network=Network(width=8))
    mask = torch.tensor([[True, True, True], [True, True, False], [False, False, True]])
    batch = batch_of(mask)
    batch = batch.masked(mask, torch.ones_like(mask), TASK.modalities)
    model.training_loss(batch).total.backward()
    model.eval()
    inputs = {n: torch.randn(3, 1, 8, 8) for n in "abc"}
    before = model(inputs, mask)
    other = model.fusion.stand_in
    assert isinstance(other, StandIn)
    assert not torch.isclose(other.distances[2, 0], other.distances[2, 1])
    other.distances[2, :2] = other.distances[2, [1, 0]]
    same = torch.isclose(model(inputs, mask), before).all(1)
    assert same.tolist() == [True, False, True]
    model.fusion.stand_in = None
    same = torch.isclose(model(inputs, mask), before).all(1)
    assert same.tolist() == [True, False, False]
    assert built().fusion.stand_in is None


def test_mistakes_raise() -> None:
    for changes, message in (
        (
            {"hides": "inputs", "encodes": "present", "stand_in": True},
            "stand_in replaces hidden features; set hides",
        ),
        ({"hides": "maps"}, "hides as features or inputs, got 'maps'"),
        ({"hides": "inputs"}, "blanked inputs are encoded too; set encodes to present"),
        (
            {"hides": "inputs", "encodes": "present", "correlation": 0.1},
            "correlation and mutual need features to be hidden; set hides",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            built(**changes)


def test_surf_has_the_size_of_the_adaptation() -> None:
    """13.21 million parameters on CASIA-SURF, as counted from its code."""
    task = Task(tuple(Modality(n, "image", (3, 112, 112)) for n in "rdi"), ("a", "b"))
    model = build_method("lcr", task, network=Network(family="surf"))
    count = sum(p.numel() for p in model.parameters())
    assert round(count / 1e6, 2) == 13.21
