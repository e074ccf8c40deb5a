"""RFNet's regions and fusion against its own code, which is of volumes.

What `docs/paper-vs-code.md` lists as other here is made equal first: instance norms, and borders
that are reflected. Volumes are constant in depth, so that a kernel is the sum of its slices.
"""

from __future__ import annotations

import torch
from tests.parity import fixtures
from tests.parity.fixtures import TOLERANCE, difference, normal, parameter
from tests.parity.products import digests
from torch import nn

from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.systems.rfnet import RegionMixing
from dmrnet.objectives.systems.dice import dice

V, C, R = 4, 8, 3


def released_mixing(shapes: dict[str, list[int]]) -> RegionMixing:
    """Return our module with the released values, norms and borders."""
    mix = RegionMixing(V, C, R, plane=True, after=C)
    names = {
        "bottleneck": [*(f"prm.embedding_layer.{k}" for k in range(3)), "prm.prm_layer.0"],
        "fuse": [f"rfm.region_fusion.fusion_layer.{k}" for k in range(3)],
        "short": [f"rfm.short_cut.{k}" for k in range(3)],
    }
    for ours, theirs in names.items():
        blocks = getattr(mix, ours)
        convs = [m for m in blocks if isinstance(m, nn.Conv2d)]
        for conv, name in zip(convs, theirs, strict=True):
            fill(conv, f"{name}.conv", shapes)
            conv.padding_mode = "reflect"
        for k, part in enumerate(blocks):
            if isinstance(part, BatchNorm):
                blocks[k] = nn.InstanceNorm2d(part.num_features)
    fill(mix.regions, "prm.prm_layer.1", shapes)
    for layer, ours in ((0, "1"), (2, "2")):
        for kind, own in (("weight", f"w{ours}"), ("bias", f"b{ours}")):
            by_region = []
            for r in range(R):
                name = f"rfm.modal_fusion.{r}.weight_layer.{layer}.{kind}"
                value = parameter(name, shapes[name])
                by_region.append(value.flatten(1).T if kind == "weight" else value)
            getattr(mix.weights, own).data = torch.stack(by_region)
    return mix.double()


def fill(conv: nn.Conv2d, name: str, shapes: dict[str, list[int]]) -> None:
    """Give a convolution the released kernel, summed over depth, and the bias if it has one."""
    kernel = parameter(f"{name}.weight", shapes[f"{name}.weight"]).sum(4)
    assert kernel.shape == conv.weight.shape
    conv.weight.data = kernel
    if conv.bias is not None:
        conv.bias.data = parameter(f"{name}.bias", shapes[f"{name}.bias"])


def test_regions_fusion_and_dice() -> None:
    released = fixtures.read("rfnet")
    mix = released_mixing(released["shapes"]).train()
    maps = torch.stack([normal(f"maps {v}", (2, C, 3, 4)) for v in range(V)], 1)
    regions, fused = [], []
    for mask in torch.tensor(released["masks"]).bool():
        shown = mask.expand(2, V)
        mixed, logits = mix(torch.where(shown[:, :, None, None, None], maps, 0.0), shown)
        fused.append(mixed)
        regions.append(logits)
    assert difference(digests(x.softmax(1) for x in regions), released["regions"]) < TOLERANCE
    assert difference(digests(fused), released["fused"]) < TOLERANCE
    term = dice(regions[-2], torch.arange(24).view(2, 3, 4) % 3)
    assert difference(term, released["terms"]["dice"]) < TOLERANCE
    (term + fused[-2].square().mean()).backward()
    norms = released["gradients"]
    # Of layers whose kernels have one slice.
    for ours, name in (
        (mix.bottleneck[0], "prm.embedding_layer.0.conv"),
        (mix.bottleneck[9], "prm.prm_layer.0.conv"),
        (mix.regions, "prm.prm_layer.1"),
        (mix.fuse[0], "rfm.region_fusion.fusion_layer.0.conv"),
        (mix.fuse[6], "rfm.region_fusion.fusion_layer.2.conv"),
        (mix.short[0], "rfm.short_cut.0.conv"),
        (mix.short[6], "rfm.short_cut.2.conv"),
    ):
        assert difference(ours.weight.grad.norm(), norms[f"{name}.weight"]) < TOLERANCE
    for layer, ours in ((0, mix.weights.w1), (2, mix.weights.w2)):
        by_region = [norms[f"rfm.modal_fusion.{r}.weight_layer.{layer}.weight"] for r in range(R)]
        assert difference(ours.grad.flatten(1).norm(dim=1), by_region) < TOLERANCE
