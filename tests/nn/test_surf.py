"""SURF fusion: sizes, parameters, and the forward pass against plain functional torch."""

from __future__ import annotations

import math

import pytest
import torch
from tests.nn.contract import Assembled, NetworkContract, parameters
from tests.nn.plain import Plain, hide, pool, shake

from dmrnet.modalities import Modality, Task
from dmrnet.nn.surf import SURFEncoder, surf, surf_trunk

CLASSES = ("spoof", "live")
SHAPES = {"rgb": (3, 37, 45), "depth": (1, 37, 45), "ir": (2, 37, 45), "thermal": (5, 37, 45)}


def images(shapes: dict[str, tuple[int, ...]]) -> Task:
    return Task(tuple(Modality(name, "image", shape) for name, shape in shapes.items()), CLASSES)


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
def test_forward_is_the_plain_one(number: int, training: bool) -> None:
    task = images(dict(list(SHAPES.items())[:number]))
    net = shake(Assembled(task, surf(task, width=16)).double())
    inputs = {m.name: torch.randn(6, *m.shape, dtype=torch.float64) for m in task.inputs}
    mask = torch.rand(6, number) < 0.6
    mask[:, 0] |= ~mask.any(1)
    # Encoders see hidden samples as well: batch norm counts what is encoded, not what is shown.
    wanted = plain_surf(net, inputs, mask, training)
    net.train(training)
    got = net.predictor(net.fusion(net.encode(inputs), mask).map).logits
    torch.testing.assert_close(got, wanted)


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        parts = surf(images({name: (3, 112, 112) for name in ("rgb", "depth", "ir")}))
    assert parameters(parts) == 13_182_554
    assert parts.channels == 512


def test_maps_have_the_published_sizes() -> None:
    with torch.device("meta"):
        feature = SURFEncoder(3)(torch.empty(2, 3, 112, 112))
        assert feature.shape == (2, 128, 14, 14)
        assert surf_trunk(384)(torch.empty(2, 384, 14, 14)).shape == (2, 512, 4, 4)


def test_images_of_different_sizes_meet_on_the_smallest_grid() -> None:
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
    with pytest.raises(ValueError, match=r"modality pulse is a vector .*use the generic network"):
        surf(Task((Modality("pulse", "vector", (3,)),), CLASSES))
    with pytest.raises(ValueError, match="one class a sample, but the task has every pixel"):
        surf(Task((Modality("rgb", "image", (3, 32, 32)),), CLASSES, dense=True))
