"""DMRNet in dense tasks: its loss against loops, and the place of its Gaussian."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dmrnet.methods import build_method
from dmrnet.methods.base import StepLoss
from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import Network

WEIGHTS = (0.5, 1.0, 2.0)
TASK = Task(
    (Modality("rgb", "image", (3, 32, 64)), Modality("depth", "image", (1, 32, 64))),
    ("wall", "floor", "bed"),
    dense=True,
    class_weights=WEIGHTS,
)
NETWORKS = {
    "esanet": Network(family="esanet", stem=8, layout="r18"),
    "generic": Network(width=16),
}


def a_step(network: str, noise: int = 1, **settings) -> tuple[StepLoss, Batch]:
    draw = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    method = build_method(
        "dmrnet",
        TASK,
        network=NETWORKS[network],
        hard_fixed=["depth"],
        hard_start=0,
        **settings,
    ).train()
    batch = Batch(
        {m.name: torch.randn(3, *m.shape, generator=draw) for m in TASK.inputs},
        torch.ones(3, 2, dtype=torch.bool),
        torch.randint(-1, 3, (3, 32, 64), generator=draw),
        torch.arange(3),
    )
    mask = torch.tensor([[True, True], [False, True], [True, False]])
    batch = batch.masked(mask, mask, TASK.modalities)
    return method.training_loss(batch, 0, torch.Generator().manual_seed(noise)), batch


def weighed(logits: Tensor, target: Tensor) -> tuple[list[float], float]:
    """Return the weighted loss of each sample, summed over pixels, and the sum of all weights."""
    b, _, h, w = logits.shape
    log_p = logits.detach().double().log_softmax(1)
    sums, total = [0.0] * b, 0.0
    for i in range(b):
        for y in range(h):
            for x in range(w):
                label = int(target[i, y * target.shape[1] // h, x * target.shape[2] // w])
                if label >= 0:
                    sums[i] -= WEIGHTS[label] * float(log_p[i, label, y, x])
                    total += WEIGHTS[label]
    return sums, total


@pytest.mark.parametrize("network", NETWORKS)
def test_every_term_is_what_its_equation_says(network: str) -> None:
    loss, batch = a_step(network, alpha=0.01, beta=0.7)
    out, rep = loss.step.out, loss.step.rep
    assert len(out.side) == (3 if network == "esanet" else 0)
    task = hard = 0.0
    for logits in (out.logits, *out.side):
        sums, total = weighed(logits, batch.target)
        task += math.fsum(sums) / total
        # Sample 1 shows depth alone, which is hard; over the weights of the whole batch.
        hard += sums[1] / total
    mu, variance = rep.mu.detach().double(), rep.log_var.detach().double().exp()
    kl = 0.5 * (variance + mu**2 - 1 - variance.log())
    b, _, h, w = kl.shape
    distribution = sum(
        float(kl[i, :, y, x].sum()) for i in range(b) for y in range(h) for x in range(w)
    )
    distribution /= b * h * w
    expected = {"task": task, "hard_combinations": hard, "distribution": distribution}
    assert {name: float(part) for name, part in loss.parts.items()} == pytest.approx(
        expected, rel=1e-4
    )
    total = task + 0.7 * hard + 0.01 * distribution
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_gaussian_stands_on_the_deepest_map_alone(network: str) -> None:
    loss, _ = a_step(network)
    fused, rep = loss.step.fused, loss.step.rep
    stride = 32 if network == "esanet" else 16
    assert rep.value.shape[2:] == fused.map.shape[2:] == (32 // stride, 64 // stride)
    assert not torch.equal(rep.value, rep.mu)
    # The maps that skip ahead come as they were fused: no noise is drawn for them.
    again, _ = a_step(network, noise=2)
    assert not torch.equal(again.step.rep.value, rep.value)
    assert torch.equal(again.step.rep.mu, rep.mu)
    for one, other in zip(fused.skips, again.step.fused.skips, strict=True):
        assert torch.equal(one, other)
    assert len(fused.skips) == 3


def test_weights_that_are_none_are_refused() -> None:
    for wrong in ((1.0, 2.0), (0.0, 0.0, 0.0), (1.0, -1.0, 1.0), (1.0, math.inf, 1.0)):
        with pytest.raises(ValueError, match="for each of 3 classes"):
            Task(TASK.inputs, TASK.classes, True, wrong)
    with pytest.raises(ValueError, match="expected class weights"):
        Task(TASK.inputs, TASK.classes, False, WEIGHTS)
