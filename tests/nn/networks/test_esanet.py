"""ESANet: parameters, sizes, and the forward pass against plain functional torch."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from tests.nn.contract import Assembled, NetworkContract, parameters
from tests.nn.plain import Plain, hide, pool, shake
from torch.nn import functional as F

from dmrnet.modalities import Modality, Task
from dmrnet.nn.networks.esanet import ESANetStream, build, esanet
from dmrnet.nn.networks.esanet.blocks import LearnedUpsample, PyramidPooling

BLOCKS = {"r18": (2, 2, 2, 2), "r34-nbt1d": (3, 4, 6, 3), "r50": (3, 4, 6, 3)}


def rgbd(height=64, width=96, channels=None, classes=4) -> Task:
    channels = {"rgb": 3, "depth": 1} if channels is None else channels
    return Task(
        tuple(Modality(name, "image", (c, height, width)) for name, c in channels.items()),
        tuple(f"class {c}" for c in range(classes)),
        dense=True,
    )


class TestESANet(NetworkContract):
    def network(self):
        return rgbd(), esanet(rgbd(), "r18-nbt1d", width=4)


class TestMainInTheMiddleOfThree(NetworkContract):
    test_inference_is_exported_for_any_batch = None  # as of two

    def network(self):
        task = rgbd(channels={"depth": 1, "rgb": 3, "nir": 2})
        return task, esanet(task, "r18", main="rgb", width=4)


def plain_esanet(net: Assembled, inputs, mask, main: str, layout: str, training: bool):
    """Return logits, side logits from fine to coarse, and the map after the context module."""
    plain = Plain(net.state_dict(), training)
    blocks = BLOCKS[layout]

    def levels(stage_of, stem_of, x):
        """Return the five maps of a side stream."""
        maps = [plain.stem(stem_of, x, 7)]
        for k in range(4):
            x = pool(maps[-1]) if k == 0 else maps[-1]
            maps.append(plain.stage(f"{stage_of}.{k}", x, blocks[k], 1 if k == 0 else 2))
        return maps

    sides = {
        name: levels(f"encoders.{name}.stages", f"encoders.{name}.stem", x)
        for name, x in inputs.items()
        if name != main
    }

    def block(name, x, padding=0):
        return plain.norm(f"{name}.1", plain.conv(f"{name}.0", x, 1, padding)).relu()

    def upsample(name, x):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return plain.conv(name, x, 1, 1, groups=x.shape[1])

    x = plain.stem(f"encoders.{main}.stem", inputs[main], 7)
    skips = []
    for level in range(5):
        if level:
            start = pool(x) if level == 1 else x
            x = plain.stage(
                f"fusion.stages.{level - 1}", start, blocks[level - 1], 1 if level == 1 else 2
            )
        total = 0
        for v, name in enumerate(net.names):
            stream = x if name == main else sides[name][level]
            total = total + plain.excite(f"fusion.excite.{level}.{v}", hide(stream, mask[:, v]))
        x = total
        if level in (1, 2, 3):
            name = f"fusion.skips.{level - 1}"
            skips.append(block(name, x) if f"{name}.0.weight" in plain.state else x)

    parts = [x]
    for k, side in enumerate((1, 5)):
        rows = [
            slice(r * x.shape[2] // side, -(-(r + 1) * x.shape[2] // side)) for r in range(side)
        ]
        columns = [
            slice(c * x.shape[3] // side, -(-(c + 1) * x.shape[3] // side)) for c in range(side)
        ]
        bins = torch.stack(
            [torch.stack([x[:, :, r, c].mean((2, 3)) for c in columns], -1) for r in rows], -2
        )
        bins = block(f"fusion.context.branches.{k}", bins)
        row = torch.arange(x.shape[2]) * side // x.shape[2]
        column = torch.arange(x.shape[3]) * side // x.shape[3]
        parts.append(bins[:, :, row][:, :, :, column])
    context = block("fusion.context.mix", torch.cat(parts, 1))

    y, side = context, []
    for k in range(3):
        at = f"predictor.stages.{k}"
        y = block(f"{at}.conv", y, 1)
        y = plain.stage(f"{at}.blocks", y, 3, 1)
        side.append(plain.conv(f"{at}.side", y))
        y = upsample(f"{at}.up.conv", y) + skips[2 - k]
    y = plain.conv("predictor.logits.0", y, 1, 1)
    y = upsample("predictor.logits.2.conv", upsample("predictor.logits.1.conv", y))
    return y, side[::-1], context


TWO = {"rgb": 3, "depth": 1}


@pytest.mark.parametrize(
    ("layout", "channels", "main", "training"),
    [
        ("r18", TWO, "rgb", False),
        ("r18", TWO, "rgb", True),
        ("r34-nbt1d", TWO, "rgb", True),
        ("r50", TWO, "rgb", True),
        ("r18", {"rgb": 4}, "rgb", True),
        ("r18", {"a": 1, "rgb": 3, "b": 2, "c": 5}, "b", True),
        # Batch norms are all that differs, and they are the same in each layout.
        pytest.param("r34-nbt1d", TWO, "rgb", False, marks=pytest.mark.slow),
        pytest.param("r50", TWO, "rgb", False, marks=pytest.mark.slow),
        pytest.param("r18", {"rgb": 4}, "rgb", False, marks=pytest.mark.slow),
    ],
)
def test_forward_equals_plain_torch(layout, channels, main, training) -> None:
    task = rgbd(64, 96, channels)
    net = shake(Assembled(task, esanet(task, layout, main, width=4)).double()).train(training)
    inputs = {m.name: torch.randn(4, *m.shape, dtype=torch.float64) for m in task.inputs}
    mask = torch.rand(4, len(channels)) < 0.6
    mask[:, 0] |= ~mask.any(1)
    logits, side, context = plain_esanet(net, inputs, mask, main, layout, training)
    fused = net.fusion(net.encode(inputs), mask)
    torch.testing.assert_close(fused.map, context)
    out = net.predictor(fused.map, fused.skips)
    torch.testing.assert_close(out.logits, logits)
    assert len(out.side) == (3 if training else 0)
    for got, wanted in zip(out.side, side, strict=False):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    ("layout", "count"), [("r34-nbt1d", 46_955_840), ("r50", 71_733_544), ("r18", 39_734_592)]
)
def test_it_has_the_published_number_of_parameters_and_sizes(layout: str, count: int) -> None:
    task = rgbd(480, 640, classes=40)
    with torch.device("meta"):
        parts = esanet(task, layout)
        net = Assembled(task, parts)
        mask = torch.ones(2, 2, dtype=torch.bool)
        feats = net.encode({m.name: torch.empty(2, *m.shape) for m in task.inputs})
        fused = net.fusion(feats, mask)
        out = net.predictor(fused.map, fused.skips)
    assert parameters(parts) == count
    # The second decoder of `released-seg`: 16 million parameters, as documented.
    assert sum(p.numel() for p in parts.predictor.parameters()) == 16_335_296
    assert f"{count / 1e6:.2f}" in str(esanet.__doc__)  # in millions, as documented
    assert fused.map.shape == (2, parts.channels, 15, 20) == (2, 512, 15, 20)
    assert out.logits.shape == (2, 40, 480, 640)
    assert [s.shape[1:] for s in out.side] == [(40, 60, 80), (40, 30, 40), (40, 15, 20)]


def test_a_hidden_side_stream_does_not_change_the_main_network() -> None:
    both, alone = rgbd(), rgbd(channels={"rgb": 3})
    net = shake(Assembled(both, esanet(both, "r18", width=4))).eval()
    single = Assembled(alone, esanet(alone, "r18", width=4)).eval()
    state = net.state_dict()
    single.load_state_dict({name: state[name] for name in single.state_dict()})
    x = {m.name: torch.randn(2, *m.shape) for m in both.inputs}
    torch.testing.assert_close(
        net(x, torch.tensor([[True, False]] * 2)), single(x, torch.ones(2, 1).bool())
    )


def test_a_hidden_main_stream_leaves_the_side_streams() -> None:
    task = rgbd()
    net = shake(Assembled(task, esanet(task, "r18", width=4))).eval()
    x = {m.name: torch.randn(2, *m.shape) for m in task.inputs}
    mask = torch.tensor([[False, True], [True, True]])
    before = net(x, mask)
    for parameter in net.fusion.stages.parameters():
        torch.nn.init.normal_(parameter)
    after = net(x, mask)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)
    assert not torch.allclose(after[1], before[1])


def test_every_size_divisible_by_32_is_valid() -> None:
    task = rgbd()
    net = Assembled(task, esanet(task, "r18", width=4)).eval()
    for size in ((32, 32), (96, 32), (160, 192)):
        x = {"rgb": torch.randn(1, 3, *size), "depth": torch.randn(1, 1, *size)}
        assert net(x, torch.ones(1, 2).bool()).shape == (1, 4, *size)


def test_other_sizes_are_refused_with_the_mend() -> None:
    stream = ESANetStream(1, "r18", width=4)
    with pytest.raises(ValueError, match=r"modality depth: .* got 100 x 130; .* to 128 x 160"):
        stream.encode("depth", torch.randn(1, 1, 100, 130))
    task = rgbd()
    net = Assembled(task, esanet(task, "r18", width=4))
    x = {"rgb": torch.randn(2, 3, 64, 64), "depth": torch.randn(2, 1, 32, 64)}
    with pytest.raises(ValueError, match=r"modality depth: .* got \(16, 32\); resize"):
        net(x, torch.ones(2, 2).bool())


def test_streams_run_on_selected_rows() -> None:
    stream = ESANetStream(1, "r18-nbt1d", width=4).eval()
    x = torch.randn(5, 1, 64, 32)
    full = stream.encode("depth", x)
    assert list(full) == [f"depth.{level}" for level in range(5)]
    spoiled = x.clone()
    spoiled[[0, 2, 4]] = math.nan
    some = stream.encode("depth", spoiled, torch.tensor([3, 1]))
    for name in full:
        torch.testing.assert_close(some[name][[1, 3]], full[name][[1, 3]])
        assert (some[name][[0, 2, 4]] == 0).all()
    torch.testing.assert_close(stream(x), full["depth.4"])


def test_a_stream_without_rows_gives_zeros_and_zero_gradients() -> None:
    stream = ESANetStream(2, "r18", width=4)
    maps = stream.encode("m", torch.full((3, 2, 32, 32), math.nan), torch.tensor([], dtype=int))
    assert [tuple(m.shape) for m in maps.values()] == [
        (3, 4, 16, 16), (3, 4, 8, 8), (3, 8, 4, 4), (3, 16, 2, 2), (3, 32, 1, 1)
    ]  # fmt: skip
    sum(m.sum() for m in maps.values()).backward()
    assert all((p.grad == 0).all() for p in stream.parameters())


def test_upsampling_starts_as_bilinear_except_at_the_border() -> None:
    x = torch.randn(2, 3, 5, 7)
    got = LearnedUpsample(3)(x)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(got[:, :, 1:-1, 1:-1], wanted[:, :, 1:-1, 1:-1])
    assert not torch.allclose(got[:, :, 0], wanted[:, :, 0])


def test_context_of_a_single_position() -> None:
    assert PyramidPooling(8, 6)(torch.randn(1, 8, 1, 1)).shape == (1, 6, 1, 1)


def test_streams_start_from_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torchvision.models.resnet18()
    monkeypatch.setattr(build, "imagenet_state", lambda layout, width: whole.state_dict())
    parts = esanet(rgbd(), "r18", pretrained=True)
    depth, rgb = parts.encoders["depth"], parts.encoders["rgb"]
    conv = whole.conv1.weight
    torch.testing.assert_close(rgb.stem[0].weight, conv)
    torch.testing.assert_close(depth.stem[0].weight, conv.sum(1, keepdim=True))
    for stages in (depth.stages, parts.fusion.stages):
        torch.testing.assert_close(stages[3][1].conv2.weight, whole.layer4[1].conv2.weight)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"width 64 .*got width 8"):
        esanet(rgbd(), "r18", width=8, pretrained=True)


def test_unfit_tasks_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="predicts every pixel, but the task has one class"):
        esanet(Task((Modality("rgb", "image", (3, 32, 32)),), ("a", "b")))
    with pytest.raises(ValueError, match=r"modality clip: .*image, got volume"):
        esanet(Task((Modality("clip", "volume", (3, 2, 32, 32)),), ("a", "b"), dense=True))
    with pytest.raises(ValueError, match="unknown modality 'rbg'"):
        esanet(rgbd(), main="rbg")
