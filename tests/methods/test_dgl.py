"""dgl against its equations in plain loops: who learns from which loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.methods.test_experts import MASK, PRESENT, TASK, batch_of, block, cross_entropy
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch
from dmrnet.nn import Network


def built(heads: str) -> Method:
    torch.manual_seed(0)
    model = build_method("dgl", TASK, heads=heads, alpha=3.0, network=Network(width=5)).double()
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
            part.eval()
    return model


def fused_logits(model: Method, maps: dict[int, Tensor], shown: list[int]) -> Tensor:
    hidden = torch.zeros(5, dtype=torch.float64)
    joined = torch.cat([maps[v] if v in shown else hidden for v in range(3)])
    classify = model.predictor.linear
    return classify.weight @ block(joined, *model.fusion.fusion.trunk[:2]) + classify.bias


def slow(model: Method, batch: Batch, heads: str) -> tuple[Any, ...]:
    """Return r_S of every sample, and the two losses, by the equations."""
    outputs, fused_loss, own_loss = [], torch.tensor(0.0), torch.tensor(0.0)
    for i in range(len(batch)):
        y, maps = int(batch.target[i]), {}
        for v, name in enumerate(model.modalities):
            if not batch.present[i, v]:
                continue
            encoder = model.encoders[v] if heads == "shared" else model.encoders[v].encoder
            maps[v] = block(batch.inputs[name][i], *encoder.layers[:2])
            if heads == "shared":
                u = fused_logits(model, maps, [v])
            else:
                classify = model.encoders[v].head.predictor.linear
                u = classify.weight @ maps[v] + classify.bias
            own_loss = own_loss + cross_entropy(u, y, 0.0)
        detached = {v: f.detach() for v, f in maps.items()}
        shown = [v for v in range(3) if batch.mask[i, v]]
        outputs.append(fused_logits(model, detached, shown))
        fused_loss = fused_loss + cross_entropy(outputs[-1], y, 0.0)
    return torch.stack(outputs), fused_loss / len(batch), own_loss / len(batch)


@pytest.mark.parametrize("heads", ["own", "shared"])
def test_each_part_learns_from_its_own_loss_alone(heads: str) -> None:
    model = built(heads)
    batch = batch_of(TASK, PRESENT, MASK)
    loss = model.training_loss(batch)
    loss.total.backward()
    outputs, fused, own = slow(model, batch, heads)
    torch.testing.assert_close(loss.step.out.logits, outputs)
    parts = {"task": fused.item(), "experts": own.item()}
    assert {name: value.item() for name, value in loss.parts.items()} == pytest.approx(parts)
    of_encoders = list(model.encoders.parameters())
    wanted = torch.autograd.grad(3.0 * own, of_encoders, retain_graph=True)
    of_fused = [*model.fusion.parameters(), *model.predictor.parameters()]
    wanted += torch.autograd.grad(fused, of_fused)
    for parameter, gradient in zip([*of_encoders, *of_fused], wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_losses_through_the_fused_part_leave_its_running_statistics() -> None:
    batch = batch_of(TASK, PRESENT, MASK)
    trained = []
    for heads in ("own", "shared"):
        model = built(heads)
        norms = [part for part in model.fusion.modules() if isinstance(part, _BatchNorm)]
        assert norms
        for norm in norms:
            norm.train()
        model.training_loss(batch)
        trained.append([int(norm.num_batches_tracked) for norm in norms])
    assert trained == [[1], [1]]


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match="heads as own or shared, got 'mine'"):
        build_method("dgl", TASK, heads="mine")
    with pytest.raises(ValueError, match="set encodes to present"):
        build_method("dgl", TASK, encodes="mask")
