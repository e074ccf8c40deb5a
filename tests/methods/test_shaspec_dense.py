"""ShaSpec for every pixel: what is composed and filled at each level, and its terms."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.methods.probes import modality_maps
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

ROOMS = Task(
    (
        Modality("rgb", "image", (3, 32, 16)),
        Modality("depth", "image", (1, 32, 16)),
        Modality("ir", "image", (1, 32, 16)),
    ),
    ("wall", "floor"),
    dense=True,
)
ALIKE = Task(ROOMS.inputs[1:], ROOMS.classes, dense=True)


def built(task: Task = ROOMS, recipe: str = "best", **changes):
    torch.manual_seed(0)
    return build_method("shaspec", task, recipe, network=Network(width=8), **changes)


def batch(task: Task = ROOMS, present: torch.Tensor | None = None) -> Batch:
    draw = torch.Generator().manual_seed(0)
    mask = all_combinations(len(task.inputs))
    present = torch.ones_like(mask) if present is None else present
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in task.inputs}
    target = torch.randint(-1, 2, (rows, 32, 16), generator=draw)
    made = Batch(inputs, present, target, torch.arange(rows))
    return made.masked(mask & present, present, task.modalities)


@pytest.mark.parametrize("recipe", ["best", "paper", "released", "released-seg"])
def test_composition_and_skips_are_their_equations(recipe: str) -> None:
    model = built(recipe=recipe).eval()
    fusion = model.fusion
    some = batch()
    mask = some.mask
    feats = model.encode(some.inputs, dict.fromkeys(model.modalities))
    read: list[torch.Tensor] = []
    fusion.trunk.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    fused = model.fuse(feats, mask)

    def filled(level: int, i: int) -> list[torch.Tensor]:
        r = [feats[f"{name}.shared.{level}"][i] for name in model.modalities]
        shown = [v for v in range(3) if mask[i, v]]
        if recipe == "released":  # one after the other; the third reads itself, a zero
            r = [x if v in shown else torch.zeros_like(x) for v, x in enumerate(r)]
            for v, (a, b) in enumerate(((1, 2), (0, 2), (0, 2))):
                if v not in shown:
                    r[v] = (r[a] + r[b]) / sum(u in shown for u in range(3) if u != v)
            return r
        stand_in = (
            r[shown[0]] if recipe == "released-seg" else sum(r[v] for v in shown) / len(shown)
        )
        return [r[v] if v in shown else stand_in for v in range(3)]

    def blank(level: int, i: int) -> list[torch.Tensor]:
        """The shared stream's maps of what is shown, and of zero images."""
        maps = []
        for v, name in enumerate(model.modalities):
            x = some.inputs[name][i : i + 1] * mask[i, v]
            x = model.shared.own[v](x)
            for part in model.shared.shared[:level]:
                x = part(x)
            maps.append(x[0])
        return maps

    skips = blank if recipe == "released-seg" else filled
    for i in range(len(mask)):
        for level, skip in enumerate(fused.skips):
            expected = fusion.skips[level].mix(torch.cat(skips(level, i))[None])
            torch.testing.assert_close(skip[i : i + 1], expected, atol=1e-5, rtol=1e-4)
        parts = []
        for v, (name, r) in enumerate(zip(model.modalities, filled(3, i), strict=True)):
            s = feats[f"{name}.3"][i] if mask[i, v] else torch.zeros_like(r)
            project = fusion.project[v if recipe == "released" else 0]
            weight = project.weight
            made = torch.nn.functional.conv2d(
                torch.cat([r, s])[None], weight, project.bias, padding=weight.shape[2] // 2
            )[0]
            made = made + (s if recipe == "released" else r)
            parts.append(made if mask[i, v] or recipe == "released" else r)
        torch.testing.assert_close(read[0][i], torch.cat(parts), atol=1e-5, rtol=1e-4)
    assert fusion.project[0].weight.shape[2] == (3 if recipe in ("paper", "released-seg") else 1)


@pytest.mark.parametrize("task", [ROOMS, ALIKE])
def test_one_stream_is_shared_and_images_of_other_channels_have_a_first_level(task: Task) -> None:
    model = built(task).eval()
    assert len(model.shared.own) == (1 if task is ALIKE else 3)
    inputs = batch(task).inputs
    feats = model.encode(inputs, dict.fromkeys(model.modalities))
    for v, name in enumerate(model.modalities):
        x = model.shared.own[v % len(model.shared.own)](inputs[name])
        torch.testing.assert_close(feats[f"{name}.shared.0"], x)
        for level, part in enumerate(model.shared.shared, 1):
            x = part(x)
            torch.testing.assert_close(feats[f"{name}.shared.{level}"], x, atol=1e-5, rtol=1e-4)
    # Rows that are not asked for are zeros, and the others do not depend on them.
    present = all_combinations(len(task.inputs))
    some = model.encode(inputs, batch(task, present).where)
    for v, name in enumerate(model.modalities):
        for key in (f"{name}.3", f"{name}.shared.0", f"{name}.shared.3"):
            rows = present[:, v]
            torch.testing.assert_close(some[key][rows], feats[key][rows], atol=1e-5, rtol=1e-4)
            assert not some[key][~rows].any()


def test_zero_images_do_not_depend_on_the_batch_and_are_encoded_with_it() -> None:
    """Nor on what is asked for; in training they are in the batch that batch norms see."""
    model = built(recipe="released-seg").eval()
    inputs = batch().inputs
    present = all_combinations(3)
    some = model.encode(inputs, batch(present=present).where)
    for v, name in enumerate(model.modalities):
        x = model.shared.own[v](torch.zeros_like(inputs[name][:1]))
        torch.testing.assert_close(some[f"{name}.blank.0"], x.expand(7, -1, -1, -1))
    calls: list[int] = []
    model.shared.shared[0].register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    model.train().encode(inputs, dict.fromkeys(model.modalities))
    assert calls == [3 * (7 + 1)]
    with pytest.raises(ValueError, match="skips as filled or blank, got 'none'"):
        built(skips="none")


def test_terms_cover_the_deepest_maps_of_present_modalities() -> None:
    model = built()
    present = all_combinations(3)
    loss = model.training_loss(batch(present=present))
    feats = loss.step.feats
    align = tell = 0.0
    classifier = model.objective.terms[2].classifier
    for i, row in enumerate(present.tolist()):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if row[a] and row[b]:
                one, two = (feats[f"{ROOMS.modalities[v]}.shared.3"][i] for v in (a, b))
                align += (one - two).abs().mean().item()
        for v, name in enumerate(ROOMS.modalities):
            if row[v]:
                logits = classifier(feats[f"{name}.3"][i].mean((1, 2))).tolist()
                tell += math.log(sum(math.exp(x) for x in logits)) - logits[v]
    assert loss.parts["align"].item() == pytest.approx(align / 7, rel=1e-4)
    assert loss.parts["tell_modality"].item() == pytest.approx(tell / 21, rel=1e-4)
    expected = loss.step.task.mean + 0.1 * loss.parts["align"] + 0.02 * loss.parts["tell_modality"]
    torch.testing.assert_close(loss.total, expected)


def test_the_shared_feature_of_another_stands_in() -> None:
    """With imputation switched off the prediction of an incomplete sample differs."""
    model = built().eval()
    some = batch()
    before = model(some.inputs, some.mask)
    model.fusion.fill = lambda shared, mask: shared
    moved = (model(some.inputs, some.mask) - before).flatten(1).abs().amax(1) > 1e-6
    assert moved.tolist() == (~some.mask.all(1)).tolist()


def test_analyses_see_the_deepest_specific_maps() -> None:
    model = built(recipe="released-seg").eval()
    some, everywhere = batch(), dict.fromkeys(model.modalities)
    feats = model.encode(some.inputs, everywhere)
    maps = modality_maps(model, some.inputs, everywhere, feats)
    for name in model.modalities:
        assert maps[name] is feats[f"{name}.3"]
