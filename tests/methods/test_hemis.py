"""HeMIS: the moments between encoders and trunk."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network
from dmrnet.nn.systems.hemis import Moments

TASK = Task(tuple(Modality(n, "image", (1, 8, 8)) for n in "abc"), ("x", "y", "z"))
ROOMS = Task(
    (Modality("rgb", "image", (3, 64, 64)), Modality("depth", "image", (1, 64, 64))),
    ("wall", "floor"),
    dense=True,
)


def built(task: Task = TASK, **changes):
    torch.manual_seed(0)
    return build_method("hemis", task, network=changes.pop("network", Network(width=8)), **changes)


def test_the_trunk_reads_moments_and_does_not_grow_with_modalities() -> None:
    sizes = []
    for v in (1, 2, 3):
        model = built(Task(TASK.inputs[:v], TASK.classes))
        sizes.append(sum(p.numel() for p in model.fusion.parameters()))
        first = next(p for p in model.fusion.trunk.parameters())
        assert first.shape[1] == 16
    assert len(set(sizes)) == 1


def test_fusion_is_symmetric_in_modalities() -> None:
    model = built().eval()
    draw = torch.Generator().manual_seed(1)
    feats = {n: torch.randn(1, 8, 4, 4, generator=draw) for n in "abc"}
    mask = torch.tensor([[True, True, False]])
    expected = model.fuse(feats, mask).map
    for order in itertools.permutations(range(3)):
        moved = {n: feats["abc"[k]] for n, k in zip("abc", order, strict=True)}
        got = model.fuse(moved, mask[:, list(order)]).map
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("recipe", ["best", "paper", "released"])
def test_the_variance_is_read(recipe: str) -> None:
    """With the second moment switched off the prediction differs, but for one modality."""
    torch.manual_seed(0)
    model = build_method("hemis", TASK, recipe, network=Network(width=8)).eval()
    draw = torch.Generator().manual_seed(1)
    inputs = {n: torch.randn(2, 1, 8, 8, generator=draw) for n in "abc"}
    mask = torch.tensor([[True, True, False], [True, False, False]])
    before = model(inputs, mask)
    spread = {"best": "population", "paper": "sample", "released": "released"}[recipe]
    assert model.fusion.mix.spread == spread

    class MeanOnly(nn.Module):
        def forward(self, maps, mask):
            both = Moments(spread)(maps, mask)
            return torch.cat([both[:, :8], torch.zeros_like(both[:, 8:])], 1)

    model.fusion.mix = MeanOnly()
    assert torch.isclose(model(inputs, mask), before).all(1).tolist() == [False, True]


def test_pixels_by_moments_at_every_fusion() -> None:
    model = built(ROOMS, network=Network(family="esanet", stem=8, layout="r18")).eval()
    assert not hasattr(model.fusion, "excite")
    draw = torch.Generator().manual_seed(1)
    inputs = {m.name: torch.randn(1, *m.shape, generator=draw) for m in ROOMS.inputs}
    both, one = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert model(inputs, both).shape == (1, 2, 64, 64)
    seen: list[torch.Tensor] = []
    for block in model.fusion.mix:
        block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(inputs, one)
    assert len(seen) == 5
    for moments in seen:
        mean, variance = moments.chunk(2, 1)
        assert mean.any()
        assert not variance.any()
    model(inputs, both)
    assert all(moments.chunk(2, 1)[1].any() for moments in seen[5:])


def test_maps_of_different_widths_are_refused() -> None:
    network = Network(width=8, encoders={"a": "timm:resnet10t"})
    with pytest.raises(ValueError, match=r"hemis adds the modalities' maps.* got a 512, b 8, c 8"):
        built(network=network)
