"""In training the trunk starts on visible rows only, with the same loss and gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import concat_fusion
from dmrnet.nn.layers.linear_start import LinearStart
from dmrnet.nn.networks.network import Network
from dmrnet.nn.networks.surf import surf_trunk

SIDE = 32
TASK = Task(tuple(Modality(f"m{v}", "image", (3, SIDE, SIDE)) for v in range(3)), ("one", "two"))
MASKS = {
    "some": [[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]],
    "one never": [[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]],
    "one once": [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1]],
}


def made(name: str, family: str, **settings: object) -> Method:
    torch.manual_seed(0)
    network = Network(family=family, stem=4, width=16)
    return build_method(name, TASK, "best", network=network, **settings).double()


def batch_of(method: Method, rows: list[list[int]]) -> Batch:
    draw = torch.Generator().manual_seed(1)
    inputs = {
        name: torch.randn(len(rows), 3, SIDE, SIDE, generator=draw, dtype=torch.float64)
        for name in TASK.modalities
    }
    mask = torch.tensor(rows, dtype=torch.bool)
    batch = Batch(inputs, torch.ones_like(mask), torch.tensor([0, 1, 1, 0]), torch.arange(4))
    encode = mask if method.encodes == "mask" else batch.present
    return batch.masked(mask, encode, TASK.modalities)


class Spy:
    """Records the rows that a trunk's start is called with, and the dtypes of its results."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self.dtypes: list[torch.dtype] = []
        start = LinearStart._start

        def started(trunk: LinearStart, weights: object, x: torch.Tensor) -> object:
            self.rows.append(len(x))
            parts = start(trunk, weights, x)  # type: ignore[arg-type]
            self.dtypes += [part.dtype for part in parts]
            return parts

        monkeypatch.setattr(LinearStart, "_start", started)


def stepped(method: Method, rows: list[list[int]]) -> tuple[torch.Tensor, dict, dict]:
    """Return loss, gradients and the features of a step."""
    loss = method.training_loss(batch_of(method, rows), 9, torch.Generator().manual_seed(2))
    loss.total.backward()
    return loss.total, {n: p.grad for n, p in method.named_parameters()}, dict(loss.step.feats)


@pytest.mark.parametrize("rows", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("family", ["surf", "generic"])
@pytest.mark.parametrize("name", ["sf-md", "dmrnet"])
def test_loss_and_gradients_are_the_same(
    name: str, family: str, rows: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concat_fusion, "WORTH_SPLITTING", 1 << 60)
    spy = Spy(monkeypatch)
    expected, gradients, _ = stepped(made(name, family), rows)
    assert spy.rows == []
    monkeypatch.setattr(concat_fusion, "WORTH_SPLITTING", 0)
    got, split, _ = stepped(made(name, family), rows)
    assert spy.rows == torch.tensor(rows).sum(0).tolist()
    torch.testing.assert_close(got, expected)
    assert set(split) == set(gradients)
    for key, gradient in gradients.items():
        assert split[key] is not None, key
        torch.testing.assert_close(split[key], gradient, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", ["mmformer", "ogm-md", "lcr", "mutual", "shaspec", "hemis"])
def test_terms_get_the_features(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concat_fusion, "WORTH_SPLITTING", 0)
    method = made(name, "generic")
    _, gradients, feats = stepped(method, MASKS["some"])
    assert set(TASK.modalities) <= set(feats)
    assert any(gradient is not None for gradient in gradients.values())


def test_the_start_keeps_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concat_fusion, "WORTH_SPLITTING", 0)
    method = made("dmrnet", "surf").float()
    batch = batch_of(method, MASKS["one never"])
    inputs = {name: x.float() for name, x in batch.inputs.items()}
    batch = replace(batch, inputs=inputs)
    spy = Spy(monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_loss(batch, 9)
    assert spy.dtypes == [torch.bfloat16] * 6
    loss.total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


def test_a_large_start_is_split_and_a_small_one_is_not() -> None:
    for side, split in ((14, True), (4, False)):
        shapes = dict.fromkeys(TASK.modalities, (128, side, side))
        trunk = surf_trunk(384)
        assert concat_fusion.ConcatFusion(shapes, trunk).splits(trunk) is split
