"""What is done to pictures: alike for all of a sample, and what the released codes do."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import RandomResizedCrop as Theirs

from dmrnet.data.inputs.transforms import (
    CentreCrop,
    Chain,
    Colours,
    RandomCrop,
    RandomFlip,
    RandomRescale,
    RandomResizedCrop,
    Resize,
    Rotate,
    Symmetry,
    to_hsv,
    to_rgb,
)
from dmrnet.data.splits.split import generator


def drawn(*key: int) -> torch.Generator:
    return generator(0, *key)


def pictures(height: int = 60, width: int = 60) -> dict[str, torch.Tensor]:
    """Two pictures that say where each of their pixels was: smooth, so that blending keeps it."""
    rows, columns = torch.meshgrid(
        torch.linspace(50, 250, height), torch.linspace(50, 250, width), indexing="ij"
    )
    return {"a": torch.stack([rows, columns, rows]), "b": columns[None]}


EVERY = {
    "rotate": Rotate(30, 0.8),
    "crop": RandomCrop(40, 50),
    "flip": RandomFlip(),
    "resized-crop": RandomResizedCrop(32, 24),
    "rescale": RandomRescale(1.0, 1.4),
    "resize": Resize(20, 30),
    "centre": CentreCrop(30, 20),
    "chain": Chain((Rotate(10, 0.8), RandomCrop(30, 30), RandomFlip())),
}


@pytest.mark.parametrize("name", EVERY)
def test_all_of_a_sample_change_alike_and_by_the_draw_alone(name: str) -> None:
    sample = pictures()
    seen = set()
    for number in range(12):
        changed = EVERY[name](sample, drawn(number))
        assert changed["a"].shape[-2:] == changed["b"].shape[-2:]
        assert torch.allclose(changed["a"][1], changed["b"][0], atol=1e-3)
        again = EVERY[name](pictures(), drawn(number))
        assert torch.equal(again["a"], changed["a"])
        # One picture alone is changed as it is beside others.
        alone = EVERY[name]({"b": sample["b"]}, drawn(number))
        assert torch.equal(alone["b"], changed["b"])
        seen.add(changed["a"].numpy().tobytes())
    assert (len(seen) > 1) == (name not in ("resize", "centre"))
    assert all(torch.equal(sample[key], value) for key, value in pictures().items())


def test_the_turned_canvas_is_cut_as_released() -> None:
    # int((h sin + w cos) * .8): 115 unturned, 157 at 30 degrees.
    sample = {"a": torch.zeros(1, 144, 144)}
    sizes = set()
    for number in range(200):
        angle = int(torch.randint(-30, 31, (), generator=drawn(number)))
        size = Rotate(30, 0.8)(sample, drawn(number))["a"].shape[-1]
        radians = math.radians(abs(angle))
        expected = int(144 * (math.sin(radians) + math.cos(radians)) * 0.8)
        # Torchvision's bounding box is whole pixels on either side of the middle.
        assert 0 <= size - expected <= 2
        sizes.add(size)
    assert min(sizes) == 115
    assert 157 <= max(sizes) <= 159


def test_every_window_is_as_likely() -> None:
    sample = {"a": torch.arange(12.0).reshape(1, 3, 4)}
    found = Counter(
        int(RandomCrop(2, 2)(sample, drawn(number))["a"][0, 0, 0]) for number in range(1200)
    )
    assert sorted(found) == [0, 1, 2, 4, 5, 6]
    assert max(found.values()) < 1.35 * min(found.values())
    with pytest.raises(ValueError, match="4x5, got 3x4"):
        RandomCrop(4, 5)(sample, drawn(0))


def test_half_are_mirrored() -> None:
    sample = pictures()
    turned = {name: value.flip(-1) for name, value in sample.items()}
    mirrored = 0
    for number in range(400):
        changed = RandomFlip()(sample, drawn(number))
        mirrored += torch.equal(changed["a"], turned["a"])
        assert torch.equal(changed["b"], (turned if changed["a"][1, 0, 0] > 100 else sample)["b"])
    assert 160 < mirrored < 240


def test_windows_of_random_shape_are_spread_as_torchvisions() -> None:
    sample = pictures(120, 160)
    ours, theirs = [], []
    torch.manual_seed(0)
    for number in range(300):
        cut = RandomResizedCrop(16, 16)(sample, drawn(number))["a"]
        other = Theirs((16, 16), antialias=True)(sample["a"])
        for found, one in ((ours, cut), (theirs, other)):
            found.append([float(one[0].max() - one[0].min()), float(one[1].max() - one[1].min())])
    for share in (0.1, 0.5, 0.9):
        a, b = (torch.tensor(found).quantile(share, 0) for found in (ours, theirs))
        assert (a - b).abs().max() < 20
    thin = RandomResizedCrop(8, 8)({"a": torch.rand(1, 4, 400)}, drawn(0))
    assert thin["a"].shape == (1, 8, 8)


def test_squares_are_laid_in_eight_ways() -> None:
    square = torch.arange(9).reshape(1, 3, 3)
    draw = torch.Generator().manual_seed(0)
    found = {tuple(Symmetry()({"a": square}, draw)["a"].flatten().tolist()) for _ in range(200)}
    assert len(found) == 8
    with pytest.raises(ValueError, match="expected square images, got 2x3"):
        Symmetry()({"a": torch.zeros(1, 2, 3)}, draw)


def test_labels_are_never_blended() -> None:
    labels = torch.randint(0, 2, (1, 40, 40)).float() * 10
    changes = (Rotate(30), RandomRescale(1.1, 1.4), RandomResizedCrop(30, 30), Resize(30, 30))
    for change in (*changes, *(Chain((Symmetry(), other)) for other in changes)):
        sample = {"a": torch.rand(3, 40, 40), "labels": tv_tensors.Mask(labels)}
        found = change(sample, drawn(3))["labels"]
        assert set(found.flatten().tolist()) <= {0.0, 10.0}
        blended = change({"labels": labels}, drawn(3))["labels"]
        assert not set(blended.flatten().tolist()) <= {0.0, 10.0}


def test_what_is_not_of_one_size_cannot_change_alike() -> None:
    sample = {"a": torch.zeros(1, 8, 8), "b": torch.zeros(1, 8, 9)}
    for change in (Rotate(3), RandomCrop(2, 2), RandomResizedCrop(4, 4), RandomRescale(1, 2)):
        with pytest.raises(ValueError, match="of one size"):
            change(sample, drawn(0))


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
