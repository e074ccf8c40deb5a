"""The transformer's settings reach its parts; mistakes raise."""

from __future__ import annotations

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.nn import Network

TASK = Task(
    (Modality("a", "image", (1, 16, 16)), Modality("b", "sequence", (2, 40))), ("x", "y", "z")
)


def built(**changes):
    torch.manual_seed(0)
    return build_method("transformer", TASK, network=Network(width=8), **changes)


def test_settings_reach_the_parts() -> None:
    model = built(tokens=4, embed=12, layers=3, heads=3, ratio=5, attention_dropout=0.25)
    mixer = model.fusion.mixer
    assert mixer.counts == (4, 4)
    assert mixer.channels == 12
    assert len(mixer.blocks) == 3
    assert mixer.blocks[0].attention.heads == 3
    assert mixer.blocks[0].mlp[0].out_features == 60
    assert mixer.blocks[0].attention.dropout.p == 0.25
    assert built().fusion.mixer.counts == (1, 1)


def test_with_positions_as_tokens_the_order_within_a_map_matters() -> None:
    """Pooled features do not see it."""
    masks = all_combinations(2)
    for tokens, matters in ((1, False), (4, True)):
        fusion = built(tokens=tokens).eval().fusion
        feats = {"a": torch.randn(3, 8, 2, 2), "b": torch.randn(3, 8, 1, 4)}
        turned = {name: x.flip(3) for name, x in feats.items()}
        same = torch.isclose(fusion(feats, masks).map, fusion(turned, masks).map, atol=1e-6)
        assert not same.all() if matters else same.all()


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match="heads that divide the 8 channels of a token, got 3"):
        built(heads=3)
    for name in ("tokens", "embed", "layers", "heads", "ratio"):
        with pytest.raises(ValueError, match=f"expected {name} of 1 or more, got 0"):
            built(**{name: 0})


@pytest.mark.parametrize("name", ["transformer", "flex-moe"])
def test_on_esanet_tokens_stand_at_the_deepest_maps(name: str) -> None:
    rooms = Task(
        (Modality("rgb", "image", (3, 64, 64)), Modality("depth", "image", (1, 64, 64))),
        ("wall", "floor"),
        dense=True,
    )
    network = Network(family="esanet", stem=8, layout="r18")
    model = build_method(name, rooms, network=network).eval()
    assert [len(level.project) for level in model.fusion.meets if hasattr(level, "project")] == [2]
    inputs = {m.name: torch.randn(1, *m.shape) for m in rooms.inputs}
    masks = torch.tensor([[True, True], [True, False]])
    both, one = (model(inputs, mask[None]) for mask in masks)
    assert both.shape == (1, 2, 64, 64)
    assert not torch.isclose(both, one).all()
