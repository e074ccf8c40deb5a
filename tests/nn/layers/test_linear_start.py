"""Reading each modality by itself and adding gives what reading them side by side gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dmrnet.modalities import all_combinations, rows_of
from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.nn.fusion import Fused
from dmrnet.nn.layers.linear_start import trunk
from dmrnet.nn.networks.surf import surf_trunk

SHAPES = {"rgb": (6, 8, 8), "depth": (4, 8, 8), "ir": (5, 8, 8)}
OF_SIZES = {"rgb": (6, 9, 7), "wave": (4, 1, 40), "face": (3, 4, 4)}
VECTORS = {"a": (6, 1, 1), "b": (4, 1, 1)}


def settled(module: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights of their own; go to evaluation."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return module.eval()


@pytest.fixture(params=["1x1", "3x3", "surf", "sizes", "vectors", "pooled"])
def fusion(request: pytest.FixtureRequest) -> ConcatFusion:
    torch.manual_seed(0)
    shapes = {"sizes": OF_SIZES, "vectors": VECTORS}.get(request.param, SHAPES)
    channels = sum(shape[0] for shape in shapes.values())
    if request.param == "surf":
        made: nn.Module = surf_trunk(channels, 4)
    else:
        made = trunk(channels, 7, depth=2, kernel=3 if request.param == "3x3" else 1)
    grid = "pooled" if request.param == "pooled" else "auto"
    return settled(ConcatFusion(shapes, made, grid))


def features(fusion: ConcatFusion, shapes: dict[str, tuple[int, int, int]]) -> dict[str, Tensor]:
    rows = 2 ** len(fusion.modalities) - 1
    return {name: torch.randn(rows, *shapes[name]) for name in fusion.modalities}


def shapes_of(fusion: ConcatFusion) -> dict[str, tuple[int, int, int]]:
    return next(s for s in (SHAPES, OF_SIZES, VECTORS) if tuple(s) == fusion.modalities)


def fused_from_cache(fusion: ConcatFusion, feats: dict[str, Tensor], masks: Tensor) -> Fused:
    every = torch.arange(len(masks))
    fused: Fused = fusion(fusion.prepare(feats).select(every, masks), masks)
    return fused


@torch.no_grad()
def test_prepared_features_fuse_to_the_same(fusion: ConcatFusion) -> None:
    feats = features(fusion, shapes_of(fusion))
    masks = all_combinations(len(feats))
    torch.testing.assert_close(fused_from_cache(fusion, feats, masks).map, fusion(feats, masks).map)


@torch.no_grad()
def test_known_rows_fuse_to_the_same(fusion: ConcatFusion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dmrnet.nn.concat_fusion.WORTH_SPLITTING", 0)
    feats = features(fusion, shapes_of(fusion))
    masks = all_combinations(len(feats))
    rows = rows_of(masks, fusion.modalities)
    torch.testing.assert_close(fusion.fuse_rows(feats, masks, rows).map, fusion(feats, masks).map)


@torch.no_grad()
def test_it_is_the_sum_over_slices_of_the_kernel(fusion: ConcatFusion) -> None:
    # Any other order of the modalities' slices would be another function.
    feats = features(fusion, shapes_of(fusion))
    first = fusion.modalities[0]
    only = torch.zeros(len(next(iter(feats.values()))), len(feats), dtype=torch.bool)
    only[:, 0] = True
    changed = {
        name: f if name == first else torch.full_like(f, torch.nan) for name, f in feats.items()
    }
    wanted = fusion(feats, only).map
    torch.testing.assert_close(fused_from_cache(fusion, changed, only).map, wanted)
    assert bool(wanted.isfinite().all())


@torch.no_grad()
def test_low_precision_adds_in_float32() -> None:
    torch.manual_seed(0)
    shapes = {f"m{k}": (16, 4, 4) for k in range(8)}
    fusion = settled(ConcatFusion(shapes, trunk(128, 16, depth=1)))
    feats = {name: torch.randn(32, *shape) for name, shape in shapes.items()}
    mask = torch.ones(32, 8, dtype=torch.bool)
    wanted = fusion(feats, mask).map
    with torch.autocast("cpu", torch.bfloat16):
        side_by_side = fusion(feats, mask).map.float()
        apart = fused_from_cache(fusion, feats, mask).map.float()
    error = (side_by_side - wanted).square().mean().sqrt()
    assert (apart - wanted).square().mean().sqrt() < 2 * error
