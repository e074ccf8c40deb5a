"""SURF fusion: sizes, parameters, and the forward pass against functional torch and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.nn.contract import Assembled, NetworkContract, parameters
from tests.nn.plain import Plain, hide, pool, shake

from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.networks import surf as surf_module
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.networks.surf import SURFEncoder, surf_trunk

CLASSES = ("spoof", "live")
SHAPES = {"rgb": (3, 37, 45), "depth": (1, 37, 45), "ir": (2, 37, 45), "thermal": (5, 37, 45)}


def images(shapes: dict[str, tuple[int, ...]]) -> Task:
    return Task(tuple(Modality(name, "image", shape) for name, shape in shapes.items()), CLASSES)


def surf(task: Task, width: int = 64) -> NetworkParts:
    return Network(family="surf", stem=width).build(task)


class TestSURF(NetworkContract):
    def network(self):
        task = images({"rgb": (3, 33, 47), "depth": (1, 33, 47), "ir": (3, 33, 47)})
        return task, surf(task, width=4)


def plain_surf(net: Assembled, inputs, mask, training: bool) -> torch.Tensor:
    plain = Plain(net.state_dict(), training)
    maps = []
    for v, name in enumerate(net.names):
        at = f"encoders.{name}"
        x = pool(plain.stem(f"{at}.resnet.stem", inputs[name], 3))
        x = plain.stage(f"{at}.resnet.stages.0", x, 2, 1)
        x = plain.stage(f"{at}.resnet.stages.1", x, 2, 2)
        maps.append(hide(plain.excite(f"{at}.excite", x), mask[:, v]))
    x = torch.cat(maps, 1)
    x = plain.stage("fusion.trunk.0", x, 2, 2)
    x = plain.stage("fusion.trunk.1", x, 2, 2)
    return plain.linear("predictor.linear", x.mean((2, 3)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_forward_equals_plain_torch(number: int, training: bool) -> None:
    task = images(dict(list(SHAPES.items())[:number]))
    net = shake(Assembled(task, surf(task, width=16)).double())
    inputs = {m.name: torch.randn(6, *m.shape, dtype=torch.float64) for m in task.inputs}
    mask = torch.rand(6, number) < 0.6
    mask[:, 0] |= ~mask.any(1)
    # Encoders see hidden samples as well: batch norm counts encoded, not visible, samples.
    wanted = plain_surf(net, inputs, mask, training)
    net.train(training)
    got = net.predictor(net.fusion(net.encode(inputs), mask).map).logits
    torch.testing.assert_close(got, wanted)


class Loops:
    """The network for one sample in numpy, position by position, as its description reads."""

    def __init__(self, net: Assembled) -> None:
        self.w = {name: value.double().numpy() for name, value in net.state_dict().items()}

    def conv(self, name: str, x: np.ndarray, stride: int, pad: int) -> np.ndarray:
        kernel = self.w[f"{name}.weight"]
        channels, k = len(kernel), kernel.shape[2]
        around = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        height, width = ((side + 2 * pad - k) // stride + 1 for side in x.shape[1:])
        out = np.zeros((channels, height, width))
        for row in range(height):
            for column in range(width):
                window = around[:, row * stride :, column * stride :][:, :k, :k]
                for channel in range(channels):
                    out[channel, row, column] = (kernel[channel] * window).sum()
        return out

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        mean, variance, scale, shift = (
            self.w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        rows = zip(x, mean, variance, scale, shift, strict=True)
        return np.stack([(c - m) / math.sqrt(v + 1e-5) * a + b for c, m, v, a, b in rows])

    def block(self, name: str, x: np.ndarray, stride: int) -> np.ndarray:
        out = np.maximum(self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride, 1)), 0)
        out = self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", out, 1, 1))
        if f"{name}.downsample.0.weight" in self.w:
            x = self.norm(f"{name}.downsample.1", self.conv(f"{name}.downsample.0", x, stride, 0))
        return np.maximum(out + x, 0)

    def stage(self, name: str, x: np.ndarray, stride: int) -> np.ndarray:
        return self.block(f"{name}.1", self.block(f"{name}.0", x, stride), 1)

    def pool(self, x: np.ndarray) -> np.ndarray:
        around = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        height, width = ((side - 1) // 2 + 1 for side in x.shape[1:])
        return np.array(
            [
                [
                    [c[2 * row : 2 * row + 3, 2 * col : 2 * col + 3].max() for col in range(width)]
                    for row in range(height)
                ]
                for c in around
            ]
        )

    def excite(self, name: str, x: np.ndarray) -> np.ndarray:
        first, second = sorted({key.rsplit(".", 1)[0] for key in self.w if key.startswith(name)})
        squeezed = x.mean((1, 2))
        for layer in (first, second):
            weight = self.w[f"{layer}.weight"].reshape(len(self.w[f"{layer}.weight"]), -1)
            squeezed = weight @ squeezed + self.w[f"{layer}.bias"]
            if layer == first:
                squeezed = np.maximum(squeezed, 0)
        return x * (1 / (1 + np.exp(-squeezed)))[:, None, None]

    def encode(self, name: str, x: np.ndarray) -> np.ndarray:
        at = f"encoders.{name}.resnet"
        x = np.maximum(self.norm(f"{at}.stem.1", self.conv(f"{at}.stem.0", x, 2, 1)), 0)
        x = self.stage(f"{at}.stages.0", self.pool(x), 1)
        return self.excite(f"encoders.{name}.excite", self.stage(f"{at}.stages.1", x, 2))

    def logits(self, maps: dict[str, np.ndarray], shown: set[str]) -> np.ndarray:
        hidden = [m if n in shown else 0 * m for n, m in maps.items()]
        x = self.stage("fusion.trunk.0", np.concatenate(hidden), 2)
        x = self.stage("fusion.trunk.1", x, 2).mean((1, 2))
        return self.w["predictor.linear.weight"] @ x + self.w["predictor.linear.bias"]


def test_every_combination_equals_loops() -> None:
    task = images({"rgb": (3, 33, 41), "depth": (3, 33, 41), "ir": (3, 33, 41)})
    net = shake(Assembled(task, surf(task, width=8)).double()).eval()
    loops, torch_inputs = (
        Loops(net),
        {m.name: torch.randn(1, *m.shape).double() for m in task.inputs},
    )
    maps = {name: loops.encode(name, x[0].numpy()) for name, x in torch_inputs.items()}
    feats = net.encode(torch_inputs)
    for mask in all_combinations(3):
        shown = {name for name, seen in zip(task.modalities, mask, strict=True) if seen}
        got = net.predictor(net.fusion(feats, mask[None]).map).logits[0]
        np.testing.assert_allclose(got.detach().numpy(), loops.logits(maps, shown), rtol=1e-9)


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        parts = surf(images({name: (3, 112, 112) for name in ("rgb", "depth", "ir")}))
    assert parameters(parts) == 13_182_554
    assert "13,182,554 parameters" in str(surf_module.__doc__)
    assert parts.channels == 512


def test_maps_have_the_published_sizes() -> None:
    with torch.device("meta"):
        feature = SURFEncoder(3)(torch.empty(2, 3, 112, 112))
        assert feature.shape == (2, 128, 14, 14)
        assert surf_trunk(384)(torch.empty(2, 384, 14, 14)).shape == (2, 512, 4, 4)


def test_images_of_different_sizes_are_fused_on_the_smallest_grid() -> None:
    task = images({"rgb": (3, 40, 56), "ir": (1, 17, 90)})
    net = Assembled(task, surf(task, width=4)).eval()
    assert net.fusion.grid == (5, 7)  # and not 3 x 12, which is one position more
    out = net({m.name: torch.randn(2, *m.shape) for m in task.inputs}, torch.ones(2, 2).bool())
    assert out.shape == (2, 2)


def test_frames_of_a_volume_are_averaged() -> None:
    task = Task((Modality("clip", "volume", (3, 4, 24, 24)),), CLASSES)
    encoder = surf(task, width=4).encoders["clip"].eval()
    clip = torch.randn(2, 3, 4, 24, 24)
    frames = [encoder.frame(clip[:, :, t]) for t in range(4)]
    torch.testing.assert_close(encoder(clip), sum(frames) / 4)


def test_convolutions_start_with_kaimings_spread_and_norms_as_the_identity() -> None:
    parts = surf(images({"rgb": (3, 32, 32)}))
    for name, value in parts.fusion.named_parameters():
        if value.dim() == 4:
            spread = math.sqrt(2 / (value.shape[0] * value.shape[2] * value.shape[3]))
            assert value.std().item() == pytest.approx(spread, rel=0.03), name
        else:
            assert (value == (1 if name.endswith("weight") else 0)).all(), name


def test_vectors_and_dense_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"modality pulse: .*got vector .*use the generic network"):
        surf(Task((Modality("pulse", "vector", (3,)),), CLASSES))
    with pytest.raises(ValueError, match="one class per sample, but the task has every pixel"):
        surf(Task((Modality("rgb", "image", (3, 32, 32)),), CLASSES, dense=True))
