"""In training the start of the trunk runs on what is shown, with the loss and gradients of all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import fusion
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
    monkeypatch.setattr(fusion, "WORTH_PARTING", 1 << 60)
    wanted, gradients, feats = stepped(made(name, family), rows)
    assert set(feats) == set(TASK.modalities)
    monkeypatch.setattr(fusion, "WORTH_PARTING", 0)
    got, parted, read = stepped(made(name, family), rows)
    assert set(read) == {f"{fusion.SUM}{k}" for k in range(2 if family == "surf" else 1)}
    torch.testing.assert_close(got, wanted)
    assert set(parted) == set(gradients)
    for key, gradient in gradients.items():
        assert parted[key] is not None, key
        torch.testing.assert_close(
            parted[key], gradient, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", ["mmformer", "ogm-md", "lcr", "mutual", "shaspec", "hemis"])
def test_who_needs_the_features_gets_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "WORTH_PARTING", 0)
    method = made(name, "generic")
    _, gradients, feats = stepped(method, MASKS["some"])
    # ogm-md has no term of its own that looks at them.
    assert set(TASK.modalities) <= set(feats) or name == "ogm-md"
    assert any(gradient is not None for gradient in gradients.values())


def test_half_precision_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "WORTH_PARTING", 0)
    method = made("dmrnet", "surf").float()
    batch = batch_of(method, MASKS["one never"])
    inputs = {name: x.float() for name, x in batch.inputs.items()}
    batch = replace(batch, inputs=inputs)
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_loss(batch, 9)
    assert {n: f.dtype for n, f in loss.step.feats.items()} == {
        f"{fusion.SUM}{k}": torch.bfloat16 for k in range(2)
    }
    loss.total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


def test_a_large_start_is_parted_and_a_small_one_is_not() -> None:
    for side, parted in ((14, True), (4, False)):
        shapes = dict.fromkeys(TASK.modalities, (128, side, side))
        assert (fusion.ConcatFusion(shapes, surf_trunk(384)).reading() is not None) is parted
