"""Fusion of the levels of dense networks, against plain torch."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.networks.level_fusion import LevelConcat, LevelFusion, ModalityDecoder
from dmrnet.nn.networks.levels import levels_of
from dmrnet.nn.systems.hemis import LevelMoments, Moments
from dmrnet.nn.systems.rfnet import LevelRegions

ROOMS = Task(
    (Modality("rgb", "image", (3, 64, 96)), Modality("depth", "image", (1, 64, 96))),
    ("wall", "floor", "bed"),
    dense=True,
)
FAMILIES = {
    "generic": Network(width=16),
    "esanet": Network(family="esanet", stem=8, layout="r18"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_streams_have_the_declared_levels(family: str) -> None:
    levels = levels_of(FAMILIES[family], ROOMS)
    x = torch.randn(2, 3, 64, 96)
    maps = levels.streams["rgb"].encode("rgb", x)
    assert [m.shape[1] for m in maps.values()] == list(levels.all_widths)
    met = [maps[f"rgb.{level}"] for level in levels.numbers]
    assert [m.shape[1] for m in met] == list(levels.widths)
    assert tuple(met[-1].shape[2:]) == levels.grid(ROOMS)
    assert len(levels.skip_widths) == len(levels.numbers) - 1
    assert (
        levels.build_bottleneck(7)(torch.randn(2, 7, *levels.grid(ROOMS))).shape[1] == levels.width
    )
    out = ModalityDecoder(levels)(met)
    assert out.logits.shape == (2, 3, 64, 96)
    assert len(out.side) == (3 if family == "esanet" else 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_masked_maps_are_fused_level_by_level(family: str) -> None:
    """Each level has its own mixing; the deepest goes through the bottleneck."""
    torch.manual_seed(0)
    levels = levels_of(FAMILIES[family], ROOMS)
    after = (*levels.skip_widths, None)
    meets = [LevelConcat(2, c, w) for c, w in zip(levels.widths, after, strict=True)]
    fusion = LevelFusion(ROOMS.modalities, levels, meets).eval()
    mask = all_combinations(2)
    size = [(64 >> (k + 1), 96 >> (k + 1)) for k in range(5)]
    feats = {
        f"{name}.{k}": torch.randn(3, c, *size[k])
        for name in ROOMS.modalities
        for k, c in enumerate(levels.all_widths)
    }
    got = fusion(feats, mask)
    for k, skip in zip(range(3), got.skips, strict=True):
        level = levels.numbers[k]
        shown = [
            torch.stack([feats[f"{name}.{level}"][i] * mask[i, v] for i in range(3)])
            for v, name in enumerate(ROOMS.modalities)
        ]
        expected = fusion.meets[k].mix(torch.cat(shown, 1))
        torch.testing.assert_close(skip, expected)
    deepest = torch.cat(
        [
            feats[f"{name}.{levels.deepest}"] * mask[:, v].view(-1, 1, 1, 1)
            for v, name in enumerate(ROOMS.modalities)
        ],
        1,
    )
    torch.testing.assert_close(got.map, fusion.deep(deepest))
    kept = fusion.prepare(feats).feats
    assert len(kept) == 2 * len(levels.numbers)
    torch.testing.assert_close(fusion(kept, mask).map, got.map)


def test_levels_of_moments_and_of_regions() -> None:
    torch.manual_seed(0)
    mask = all_combinations(2)
    maps = torch.randn(3, 2, 4, 2, 3) * mask[:, :, None, None, None]
    deepest, extras = LevelMoments("population", 4)(maps, mask)
    assert extras == {}
    torch.testing.assert_close(deepest, Moments()(maps, mask))
    meet = LevelMoments("sample", 4, 5).eval()
    torch.testing.assert_close(meet(maps, mask)[0], meet.mix(Moments("sample")(maps, mask)))
    regions = LevelRegions(2, 4, 3, 6).eval()
    mixed, extras = regions(maps, mask)
    (logits,) = extras["regions"]
    assert mixed.shape == (3, 6, 2, 3)
    assert logits.shape == (3, 3, 2, 3)
    torch.testing.assert_close(mixed, regions.mix(maps, mask)[0])


def test_only_dense_networks_have_levels() -> None:
    with pytest.raises(ValueError, match="surf network predicts one class per sample"):
        levels_of(Network(family="surf"), ROOMS)
    classes = Task(ROOMS.inputs, ROOMS.classes)
    for family in ("generic", "esanet"):
        with pytest.raises(ValueError, match="every pixel, but the task has one class"):
            levels_of(Network(family=family), classes)  # type: ignore[arg-type]
    sounds = Task((Modality("a", "sequence", (1, 9)),), ("x", "y"), dense=True)
    with pytest.raises(ValueError, match=r"modality a: .*got sequence"):
        levels_of(Network(), sounds)
