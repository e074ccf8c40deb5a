"""Colours: there and back, drawn for each modality."""

from __future__ import annotations

import torch

from dmrnet.data.split import generator
from dmrnet.data.transforms import Chain, Colours, RandomFlip, to_hsv, to_rgb


def test_colours_go_there_and_back() -> None:
    rgb = torch.rand(3, 40, 30)
    assert torch.allclose(to_rgb(to_hsv(rgb)), rgb, atol=1e-5)
    grey = torch.full((3, 4, 4), 0.3)
    assert torch.allclose(to_rgb(to_hsv(grey)), grey, atol=1e-6)
    sample = {"rgb": (rgb * 255).byte(), "depth": torch.rand(1, 40, 30)}
    changed = Colours(("rgb",))(sample, torch.Generator().manual_seed(0))
    assert changed["rgb"].dtype == torch.uint8
    assert not torch.equal(changed["rgb"], sample["rgb"])
    assert torch.equal(changed["depth"], sample["depth"])
    same = Colours(("rgb",), 0.0, 0.0)(sample, torch.Generator().manual_seed(0))
    assert (same["rgb"].int() - sample["rgb"].int()).abs().max() <= 1


def test_colours_are_drawn_for_each_modality_and_shapes_for_all() -> None:
    """Photometric changes go by modality; what moves pixels is one draw."""
    ramp = torch.linspace(30, 220, 40).expand(3, 30, 40).clone()
    ramp[1] *= 0.5
    sample = {name: ramp.byte() for name in ("rgb", "thermal", "depth")}
    change = Chain((Colours(("rgb", "thermal")), RandomFlip()))
    flips, apart = set(), 0
    for number in range(20):
        changed = change(sample, generator(0, number))
        left = {name: bool(x[0, 0, 0] > x[0, 0, -1]) for name, x in changed.items()}
        assert len(set(left.values())) == 1
        flips |= set(left.values())
        apart += not torch.equal(changed["rgb"], changed["thermal"])
        back = changed["depth"].flip(-1) if left["depth"] else changed["depth"]
        assert torch.equal(back, sample["depth"])
    assert flips == {True, False}
    assert apart >= 18
