"""ShaSpec: imputation, composition and both terms, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.objectives.systems.shared import pairs_of

ALIKE = Task(tuple(Modality(n, "image", (1, 8, 8)) for n in "abc"), ("x", "y", "z"))
MIXED = Task(
    (
        Modality("a", "vector", (3,)),
        Modality("b", "image", (1, 8, 8)),
        Modality("c", "sequence", (2, 9)),
    ),
    ("x", "y", "z"),
)


def built(task: Task = ALIKE, recipe: str = "best", **changes):
    torch.manual_seed(0)
    return build_method("shaspec", task, recipe, network=Network(width=8), **changes)


def batch_of(mask: torch.Tensor, present: torch.Tensor, task: Task = ALIKE) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in task.inputs}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, present, task.modalities)


@pytest.mark.parametrize("impute", ["mean", "first"])
@pytest.mark.parametrize("residual", ["shared", "specific"])
@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("projects", [True, False])
def test_composition_and_imputation_are_their_equations(impute, residual, one, projects) -> None:
    changes = {"impute": impute, "residual": residual, "one_projection": one}
    model = built(**changes, project_missing=projects).eval()
    fusion = model.fusion
    seen: list[torch.Tensor] = []
    fusion.trunk.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    masks = all_combinations(3)
    names = [f"{n}{kind}" for n in "abc" for kind in ("", ".shared")]
    size = (8, *fusion.grid)
    feats = {n: torch.randn(len(masks), *size) for n in names}
    model.fuse(feats, masks)
    for i, mask in enumerate(masks.tolist()):
        shared = [feats[f"{n}.shared"][i].tolist() for n in "abc"]
        shown = [v for v in range(3) if mask[v]]
        for v in range(3):
            matrix = fusion.project[0 if one else v].weight[:, :, 0, 0].tolist()
            bias = [0.0] * 8 if one else fusion.project[v].bias.tolist()
            for h in range(size[1]):
                for w in range(size[2]):
                    at = lambda u, c: shared[u][c][h][w]  # noqa: B023, E731
                    if mask[v]:
                        r = [at(v, c) for c in range(8)]
                        s = feats["abc"[v]][i, :, h, w].tolist()
                    else:
                        sources = shown if impute == "mean" else shown[:1]
                        r = [sum(at(u, c) for u in sources) / len(sources) for c in range(8)]
                        s = [0.0] * 8
                    base = r if residual == "shared" else s
                    for c in range(8):
                        expected = r[c]
                        if mask[v] or projects:
                            product = sum(m * x for m, x in zip(matrix[c], r + s, strict=True))
                            expected = product + bias[c] + base[c]
                        got = seen[0][i, v * 8 + c, h, w].item()
                        assert got == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("recipe", ["best", "released"])
def test_terms_cover_present_modalities(recipe: str) -> None:
    model = built(recipe=recipe)
    present = all_combinations(3)
    mask = present & torch.tensor([True, True, False])
    mask = torch.where(mask.any(1, keepdim=True), mask, present)
    loss = model.training_loss(batch_of(mask, present))
    feats = {n: f.tolist() for n, f in loss.step.feats.items()}
    align = tell = 0.0
    classifier = model.objective.terms[2].classifier
    weight, bias = classifier.weight.tolist(), classifier.bias.tolist()
    pairs = [(0, 1), (1, 2)] if recipe == "released" else [(0, 1), (0, 2), (1, 2)]
    for n, row in enumerate(present.tolist()):
        for i, j in pairs:
            if row[i] and row[j]:
                one, two = (
                    torch.tensor(feats[f"{'abc'[k]}.shared"][n]).flatten().tolist() for k in (i, j)
                )
                gaps = [abs(x - y) for x, y in zip(one, two, strict=True)]
                align += sum(g * g if recipe == "released" else g for g in gaps) / len(gaps)
        for v in range(3):
            if row[v]:
                maps = feats["abc"[v]][n]
                pooled = [sum(map(sum, m)) / (len(m) * len(m[0])) for m in maps]
                logits = [
                    sum(a * b for a, b in zip(w, pooled, strict=True)) + c
                    for w, c in zip(weight, bias, strict=True)
                ]
                tell -= logits[v] - math.log(sum(math.exp(x) for x in logits))
    n = len(present)
    assert loss.parts["align"].item() == pytest.approx(align / n, rel=1e-4)
    assert loss.parts["tell_modality"].item() == pytest.approx(tell / (3 * n), rel=1e-4)
    expected = loss.step.task.mean + 0.1 * align / n + 0.02 * tell / (3 * n)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_pairs() -> None:
    assert pairs_of(4, "cyclic") == [(0, 1), (1, 2), (2, 3), (0, 3)]
    assert pairs_of(1, "all") == pairs_of(1, "cyclic") == pairs_of(1, "chain") == []
    with pytest.raises(ValueError, match="all, cyclic or chain, got 'some'"):
        pairs_of(3, "some")  # type: ignore[arg-type]


def test_modalities_of_one_shape_share_an_encoder_and_others_a_block() -> None:
    alike, mixed = built(), built(MIXED)
    assert alike.shared.own is None
    assert len(mixed.shared.own) == 3
    one = {n: torch.randn(4, 1, 8, 8) for n in "abc"}
    one["b"] = one["a"]
    everywhere = dict.fromkeys("abc")
    for model, inputs in ((alike, one), (alike.eval(), one)):
        feats = model.encode(inputs, everywhere)
        assert torch.equal(feats["a.shared"], feats["b.shared"])
        assert not torch.equal(feats["a"], feats["b"])
    grid = mixed.fusion.grid
    inputs = {m.name: torch.randn(4, *m.shape) for m in MIXED.inputs}
    feats = mixed.encode(inputs, everywhere)
    assert all(feats[f"{n}.shared"].shape == (4, 8, *grid) for n in "abc")
    feats["a.shared"].sum().backward()
    assert all(p.grad is not None for p in mixed.shared.shared.parameters())


@pytest.mark.parametrize("task", [ALIKE, MIXED])
def test_the_shared_encoding_of_a_row_does_not_depend_on_which_are_asked_for(task: Task) -> None:
    model = built(task).eval()
    present = all_combinations(3)
    batch = batch_of(present, present, task)
    every = model.encode(batch.inputs, dict.fromkeys("abc"))
    some = model.encode(batch.inputs, batch.where)
    for v, n in enumerate("abc"):
        for name in (n, f"{n}.shared"):
            torch.testing.assert_close(some[name][present[:, v]], every[name][present[:, v]])
            assert not some[name][~present[:, v]].any()


def test_the_shared_feature_of_another_stands_in() -> None:
    """With imputation switched off the prediction of an incomplete sample differs."""
    model = built().eval()
    inputs = {n: torch.randn(2, 1, 8, 8) for n in "abc"}
    mask = torch.tensor([[True, False, False], [True, True, True]])
    before = model(inputs, mask)
    model.fusion.fill = lambda shared, mask: shared
    same = torch.isclose(model(inputs, mask), before).all(1)
    assert same.tolist() == [False, True]


def test_surf_has_the_size_of_the_adaptation() -> None:
    """13.96 million parameters on CASIA-SURF, as counted from its code."""
    assert method("shaspec").recipe("released").impute == "released"
    task = Task(tuple(Modality(n, "image", (3, 112, 112)) for n in "rdi"), ("a", "b"))
    model = build_method("shaspec", task, "released", network=Network(family="surf"))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 13.96


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match=r"the term align reads .* set encodes to present"):
        built(encodes="mask")
    for setting, value in (("residual", "both"), ("impute", "zero"), ("align", "l3")):
        with pytest.raises(ValueError, match=f"expected {setting} as .*, got '{value}'"):
            built(**{setting: value})
