"""mmFormer for every pixel: attention among ESANet's deepest maps."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

ROOMS = Task(
    (Modality("rgb", "image", (3, 64, 96)), Modality("depth", "image", (1, 64, 96))),
    ("wall", "floor", "bed"),
    dense=True,
)
NETWORK = Network(family="esanet", stem=8, layout="r18")


def built(**changes):
    torch.manual_seed(0)
    return build_method("mmformer", ROOMS, network=NETWORK, **changes)


def batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    mask = all_combinations(2)
    inputs = {m.name: torch.randn(3, *m.shape, generator=draw) for m in ROOMS.inputs}
    target = torch.randint(-1, 3, (3, 64, 96), generator=draw)
    made = Batch(inputs, torch.ones_like(mask), target, torch.arange(3))
    return made.masked(mask, mask, ROOMS.modalities)


def test_pixels_are_predicted_for_every_combination_from_one_encoding() -> None:
    model = built(embed=16).eval()
    some = batch()
    feats = model.cached(some.inputs, dict.fromkeys(model.modalities))
    logits = model.logits(feats, some.mask)
    assert logits.shape == (3, 3, 64, 96)
    torch.testing.assert_close(logits, model(some.inputs, some.mask), atol=1e-5, rtol=1e-4)
    poisoned = {n: x.clone() for n, x in some.inputs.items()}
    poisoned["rgb"][1] = float("nan")  # depth alone
    poisoned["depth"][0] = float("inf")  # rgb alone
    assert torch.equal(model(poisoned, some.mask), model(some.inputs, some.mask))


def test_the_deepest_maps_attend_to_each_other() -> None:
    """With the attention between modalities switched off the prediction differs."""
    model = built().eval()
    some = batch()
    before = model(some.inputs, some.mask)
    assert len(model.fusion.excite) == 4
    with torch.no_grad():
        model.fusion.inter.block.attention.out.weight.zero_()
    after = model(some.inputs, some.mask)
    assert (after - before).flatten(1).abs().amax(1).min() > 1e-6


def test_the_regulariser_is_of_the_pixels_that_are_shown() -> None:
    model = built(embed=16)
    loss = model.training_loss(batch())
    step = loss.step
    term = next(t for t in model.objective.terms if t.name == "each_shown")
    total = 0.0
    for v, own in enumerate(step.fused.told):
        logits = term.classifier(own).detach()
        sums, pixels = 0.0, 0
        for i in range(3):
            for y in range(2):
                for x in range(3):
                    label = int(step.batch.target[i, y * 32, x * 32])
                    if label < 0:
                        continue
                    pixels += 1
                    if step.mask[i, v]:
                        row = logits[i, :, y, x].tolist()
                        sums += math.log(sum(math.exp(value) for value in row)) - row[label]
        total += sums / pixels
    assert loss.parts["each_shown"].item() == pytest.approx(total, rel=1e-4)
    torch.testing.assert_close(loss.total, step.task.mean + loss.parts["each_shown"])


def test_positions_are_those_of_the_image() -> None:
    model = built(embed=16)
    assert model.fusion.inter.grid == (2, 3)
    assert model.fusion.inter.position.shape == (1, 12, 16)
