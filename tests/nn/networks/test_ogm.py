"""OGM's network: parameters, sizes, and the forward pass against plain functional torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.nn.contract import Assembled, NetworkContract, parameters
from tests.nn.plain import Plain, hide, pool, shake

from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network
from dmrnet.nn.networks import ogm as ogm_module
from dmrnet.nn.networks.parts import NetworkParts

EMOTIONS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")


def audio_visual(audio=(1, 65, 75), visual=(3, 2, 64, 64)) -> Task:
    return Task((Modality("audio", "image", audio), Modality("visual", "volume", visual)), EMOTIONS)


def ogm(task: Task, width: int = 64, **settings: str) -> NetworkParts:
    return Network(family="ogm", stem=width, **settings).build(task)  # type: ignore[arg-type]


class TestOnTheMap(NetworkContract):
    def network(self):
        return audio_visual(), ogm(audio_visual(), width=4)


class TestOnTheVector(NetworkContract):
    def network(self):
        return audio_visual(), ogm(audio_visual(), form="vector", width=4)


def plain_ogm(net: Assembled, inputs, mask, training: bool, blocks) -> dict[str, torch.Tensor]:
    """Return the masked map of each modality."""
    plain = Plain(net.state_dict(), training)
    maps = {}
    for v, (name, x) in enumerate(inputs.items()):
        at = f"encoders.{name}"
        frames = None
        if x.dim() == 5:
            at, frames = f"{at}.frame", x.shape[2]
            x = torch.stack([clip[:, t] for clip in x for t in range(frames)])
        x = pool(plain.stem(f"{at}.stem", x, 7))
        for stage in range(4):
            x = plain.stage(f"{at}.stages.{stage}", x, blocks[stage], 1 if stage == 0 else 2)
        if frames is not None:
            x = torch.stack([x[i : i + frames].mean(0) for i in range(0, len(x), frames)])
        maps[name] = hide(x, mask[:, v])
    return maps


def cells(feature: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Average a map (B, C, h, w) over the cells of a grid, from floor to ceiling."""
    h, w = feature.shape[2:]
    out = np.zeros((*feature.shape[:2], *grid))
    for r in range(grid[0]):
        for c in range(grid[1]):
            rows = slice(r * h // grid[0], -(-(r + 1) * h // grid[0]))
            columns = slice(c * w // grid[1], -(-(c + 1) * w // grid[1]))
            out[:, :, r, c] = feature[:, :, rows, columns].mean((2, 3))
    return out


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("layout", "blocks"), [("r18", (2, 2, 2, 2)), ("r34", (3, 4, 6, 3))])
def test_forward_equals_plain_torch(layout: str, blocks, training: bool) -> None:
    task = audio_visual()
    nets = {}
    for form in ("map", "vector"):
        torch.manual_seed(0)
        parts = ogm(task, form=form, layout=layout, width=8)
        nets[form] = shake(Assembled(task, parts).double()).train(training)
    inputs = {m.name: torch.randn(3, *m.shape, dtype=torch.float64) for m in task.inputs}
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    maps = plain_ogm(nets["map"], inputs, mask, training, blocks)
    assert maps["audio"].shape[2:] == (3, 3)
    feats = nets["map"].encode(inputs)
    fused = nets["map"].fusion(feats, mask).map
    wanted = np.concatenate([cells(m.detach().numpy(), (2, 2)) for m in maps.values()], 1)
    np.testing.assert_allclose(fused.detach().numpy(), wanted, atol=1e-9)
    pooled = torch.cat([m.mean((2, 3)) for m in maps.values()], 1)
    vector = nets["vector"].fusion(nets["vector"].encode(inputs), mask).map
    torch.testing.assert_close(vector, pooled[..., None, None])
    logits = nets["vector"].predictor(vector).logits
    plain = Plain(nets["vector"].state_dict(), training)
    torch.testing.assert_close(logits, plain.linear("predictor.linear", pooled))


def test_it_has_the_published_number_of_parameters() -> None:
    task = audio_visual((1, 257, 299), (3, 1, 224, 224))
    with torch.device("meta"):
        parts = ogm(task)
        released = ogm(task, layout="r34")
        vector = ogm(task, form="vector")
    assert parameters(parts) == parameters(vector) == 22_352_902
    assert parts.channels == released.channels == 1024
    assert [sum(p.numel() for p in e.parameters()) for e in released.encoders.values()] == [
        21_278_400,
        21_284_672,
    ]
    assert "22,352,902 parameters" in str(ogm_module.__doc__)
    assert "21.3 million" in str(ogm_module.ogm_encoders.__doc__)


def test_audio_and_video_are_fused_on_the_videos_grid() -> None:
    task = audio_visual((1, 257, 299), (3, 1, 224, 224))
    with torch.device("meta"):
        parts = ogm(task)
        feats = {m.name: parts.encoders[m.name](torch.empty(2, *m.shape)) for m in task.inputs}
        fused = parts.fusion(feats, torch.ones(2, 2, dtype=torch.bool))
    assert feats["audio"].shape == (2, 512, 9, 10)
    assert feats["visual"].shape == (2, 512, 7, 7)
    assert fused.map.shape == (2, 1024, 7, 7)


def test_any_number_of_modalities() -> None:
    for number in (1, 3):
        task = Task(
            tuple(Modality(f"m{v}", "image", (v + 1, 40, 33 + 9 * v)) for v in range(number)),
            EMOTIONS,
        )
        net = Assembled(task, ogm(task, width=4)).eval()
        inputs = {m.name: torch.randn(2, *m.shape) for m in task.inputs}
        assert net(inputs, torch.ones(2, number, dtype=torch.bool)).shape == (2, 6)


def test_the_classifier_starts_with_glorots_spread() -> None:
    linear = ogm(audio_visual()).predictor.linear
    assert linear.weight.std().item() == pytest.approx((2 / (1024 + 6)) ** 0.5, rel=0.03)
    assert (linear.bias == 0).all()


def test_unfit_tasks_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="form as map or vector, got 'pooled'"):
        ogm(audio_visual(), form="pooled")
    with pytest.raises(ValueError, match=r"modality wave: .*got sequence"):
        ogm(Task((Modality("wave", "sequence", (1, 100)),), EMOTIONS))
