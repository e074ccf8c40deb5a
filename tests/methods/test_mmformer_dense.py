"""mmFormer for every pixel: attention among ESANet's deepest maps."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.systems.mmformer import resized_positions

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
    feats = model.cached(some.inputs, dict.fromkeys(model.modalities)).feats
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


@pytest.mark.parametrize("over", ["visible", "present"])
def test_the_regulariser_is_of_pixels_of_visible_or_present_modalities(over: str) -> None:
    model = built(embed=16, each_over=over, encodes="present")
    deepest: list[torch.Tensor] = []
    model.fusion.stages[-1].register_forward_hook(lambda *args: deepest.append(args[2]))
    plain = batch()
    assert plain.mask is not None
    shown = plain.masked(plain.mask, plain.present, ROOMS.modalities)
    loss = model.training_loss(shown)
    step = loss.step
    counted = step.mask if over == "visible" else step.batch.present
    term = next(t for t in model.objective.terms if t.name == "each_shown")
    total = 0.0
    for v, own in enumerate((deepest[0], step.feats["depth.4"])):
        logits = term.classifier(own).detach()
        sums, pixels = 0.0, 0
        for i in range(3):
            for y in range(2):
                for x in range(3):
                    label = int(step.batch.target[i, y * 32, x * 32])
                    if label < 0:
                        continue
                    pixels += 1
                    if counted[i, v]:
                        row = logits[i, :, y, x].tolist()
                        sums += math.log(sum(math.exp(value) for value in row)) - row[label]
        total += sums / pixels
    assert loss.parts["each_shown"].item() == pytest.approx(total, rel=1e-4)
    torch.testing.assert_close(loss.total, step.task.mean + loss.parts["each_shown"])


def test_positions_are_those_of_the_image() -> None:
    model = built(embed=16)
    assert model.fusion.inter.grid == (2, 3)
    assert model.fusion.inter.position.shape == (1, 12, 16)


def test_images_of_another_size_have_positions_in_between() -> None:
    """Half-way between four learnt positions is their mean, for every modality."""
    position = torch.randn(1, 2 * 6, 4)
    there = resized_positions(position, (2, 3), (1, 1))
    planes = position.view(2, 2, 3, 4)
    for v in range(2):
        torch.testing.assert_close(there[0, v], planes[v, :, 1].mean(0))
    assert resized_positions(position, (2, 3), (2, 3)) is position
    fine = resized_positions(position, (2, 3), (4, 6)).view(2, 4, 6, 4)
    expected = 0.75 * (0.75 * planes[:, 0, 0] + 0.25 * planes[:, 0, 1]) + 0.25 * (
        0.75 * planes[:, 1, 0] + 0.25 * planes[:, 1, 1]
    )
    torch.testing.assert_close(fine[:, 1, 1], expected)
    for network in (NETWORK, Network(width=8)):
        torch.manual_seed(0)
        model = build_method("mmformer", ROOMS, network=network).eval()
        mask = all_combinations(2)
        large = {m.name: torch.randn(3, m.shape[0], 96, 128) for m in ROOMS.inputs}
        assert model(large, mask).shape == (3, 3, 96, 128)
    with pytest.raises(ValueError, match="restore as position or packed in a dense task"):
        built(restore="sequence")


def test_on_the_generic_network_the_deepest_maps_attend_and_tell() -> None:
    torch.manual_seed(0)
    model = build_method("mmformer", ROOMS, network=Network(width=8))
    some = batch()
    meet = model.fusion.meets[-1]
    term = next(t for t in model.objective.terms if t.name == "each_shown")
    assert term.maps == ("rgb.3", "depth.3")
    before = model(some.inputs, some.mask)
    with torch.no_grad():
        meet.inter.block.attention.out.weight.zero_()
    after = model(some.inputs, some.mask)
    assert (after - before).flatten(1).abs().amax(1).min() > 1e-6


@pytest.mark.parametrize("network", [NETWORK, Network(width=8)], ids=["esanet", "generic"])
@pytest.mark.parametrize("size", [(64, 96), (96, 128)])
def test_hidden_tokens_are_no_keys_of_pixels_where_masked(
    network: Network, size: tuple[int, int]
) -> None:
    """What a hidden modality's positions are reaches visible tokens only without the key mask."""
    mask = torch.tensor([[True, False], [False, True]])
    inputs = {m.name: torch.randn(2, m.shape[0], *size) for m in ROOMS.inputs}
    for key_mask in (False, True):
        torch.manual_seed(0)
        model = build_method("mmformer", ROOMS, network=network, key_mask=key_mask, embed=16).eval()
        inter = model.fusion.inter if network is NETWORK else model.fusion.meets[-1].inter
        seen: list[torch.Tensor] = []
        inter.block.register_forward_hook(lambda _module, _args, out, to=seen: to.append(out))
        for row in range(2):
            seen.clear()
            model(inputs, mask)
            with torch.no_grad():
                inter.position.unflatten(1, (2, -1))[:, 1 - row] += torch.randn(inter.embed)
            model(inputs, mask)
            before, after = (tokens.unflatten(1, (2, -1))[row, row] for tokens in seen)
            assert torch.equal(before, after) == key_mask
