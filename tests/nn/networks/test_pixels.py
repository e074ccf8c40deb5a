"""The generic network for dense prediction, against plain torch."""

from __future__ import annotations

import pytest
import torch
from tests.nn.contract import Assembled, NetworkContract, parameters
from tests.nn.plain import Plain, hide, shake
from torch.nn import functional as F

from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network
from dmrnet.nn.encoders.pixel_stream import STRIDE


def field(height=32, width=48, channels=(1, 1), classes=3) -> Task:
    return Task(
        tuple(Modality(f"m{v}", "image", (c, height, width)) for v, c in enumerate(channels)),
        tuple(f"class {c}" for c in range(classes)),
        dense=True,
    )


class TestPixels(NetworkContract):
    test_inference_is_exported_for_any_batch = None  # as of three

    def network(self):
        return field(), Network(width=16).build(field())


class TestThreeWithADeepTrunk(NetworkContract):
    def network(self):
        task = field(channels=(3, 1, 2))
        return task, Network(width=16, trunk_depth=2, trunk_kernel=3).build(task)


def plain_pixels(net: Assembled, inputs, mask, training: bool):
    """Return logits and the fused map, block by block."""
    plain = Plain(net.state_dict(), training)

    def block(name, x, stride=1, padding=1):
        return plain.norm(f"{name}.1", plain.conv(f"{name}.0", x, stride, padding)).relu()

    def twice(x):
        return F.interpolate(x, size=[2 * side for side in x.shape[2:]], mode="bilinear")

    maps = []
    for v, (name, x) in enumerate(inputs.items()):
        maps.append([])
        for level in range(4):
            at = f"encoders.{name}.levels.{level}"
            x = block(f"{at}.1", block(f"{at}.0", x, 2))
            maps[-1].append(hide(x, mask[:, v]))
    beside = [torch.cat([own[level] for own in maps], 1) for level in range(4)]
    skips = [block(f"fusion.mix.{level}", beside[level], padding=0) for level in range(3)]
    fused = plain.norm("fusion.trunk.1", plain.conv("fusion.trunk.0", beside[3])).relu()
    x = fused
    for stage in range(3):
        x = block(f"predictor.stages.{stage}", torch.cat([twice(x), skips[2 - stage]], 1))
    return twice(plain.conv("predictor.logits", x)), fused


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("channels", [(1, 1), (3,), (1, 3, 2)])
def test_forward_equals_plain_torch(channels, training: bool) -> None:
    task = field(channels=channels)
    net = shake(Assembled(task, Network(width=16).build(task)).double()).train(training)
    inputs = {m.name: torch.randn(3, *m.shape, dtype=torch.float64) for m in task.inputs}
    mask = torch.rand(3, len(channels)) < 0.6
    mask[:, 0] |= ~mask.any(1)
    logits, context = plain_pixels(net, inputs, mask, training)
    fused = net.fusion(net.encode(inputs), mask)
    torch.testing.assert_close(fused.map, context)
    out = net.predictor(fused.map, fused.skips)
    torch.testing.assert_close(out.logits, logits)
    assert out.side == ()


def test_sizes_and_parameters() -> None:
    task = field(96, 96)
    parts = Network(width=64).build(task)
    assert parts.channels == 64
    assert parts.fusion.stride == STRIDE == 16
    net = Assembled(task, parts).eval()
    # 8, 16, 32 and 64 channels: two 3x3 convolutions a level with their norms, counted separately.
    widths = (8, 16, 32, 64)
    stream = sum(
        9 * a * b + 9 * b * b + 4 * b for a, b in zip((1, *widths[:-1]), widths, strict=True)
    )
    mix = sum(2 * c * c + 2 * c for c in widths)
    back = sum(9 * (a + b) * b + 2 * b for a, b in ((64, 32), (32, 16), (16, 8)))
    assert parameters(parts) == 2 * stream + mix + back + 8 * 3 + 3
    for size in ((16, 16), (64, 32)):
        x = {m.name: torch.randn(1, 1, *size) for m in task.inputs}
        assert net(x, torch.ones(1, 2).bool()).shape == (1, 3, *size)
    with pytest.raises(ValueError, match=r"divisible by 16, got 40 x 48; .* to 48 x 48"):
        net({m.name: torch.randn(1, 1, 40, 48) for m in task.inputs}, torch.ones(1, 2).bool())


def test_other_kinds_are_refused() -> None:
    task = Task((Modality("a", "vector", (3,)),), ("x", "y"), dense=True)
    with pytest.raises(ValueError, match=r"modality a: .*image, got vector"):
        Network().build(task)
