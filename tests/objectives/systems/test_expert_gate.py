"""Flex-MoE's terms, against loops over samples, tokens and experts."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import all_combinations
from dmrnet.nn import Network
from dmrnet.testing.batches import random_batch, slow_index, task_of

TASK = task_of(("image", (1, 8, 8)), ("vector", (3,)), ("sequence", (2, 9)))


def loss_of(mask: torch.Tensor, **changes):
    torch.manual_seed(0)
    task = task_of(*((m.kind, m.shape) for m in TASK.inputs[: mask.shape[1]]))
    model = build_method("flex-moe", task, network=Network(width=8), tokens=2, **changes)
    return model.training_loss(random_batch(task, mask), 3)


def test_samples_that_lack_a_modality_are_sent_to_their_expert() -> None:
    masks = all_combinations(3).repeat(2, 1)
    loss = loss_of(masks, layers=3)
    total = 0.0
    for logits in loss.step.fused.extras["gate_logits"]:
        rows, tokens, experts = logits.shape
        assert (rows, experts) == (14, 7)
        for i, mask in enumerate(masks.tolist()):
            if all(mask):
                continue
            for row in logits[i].tolist():
                log_sum = math.log(sum(math.exp(x) for x in row))
                total += (log_sum - row[slow_index(mask)]) / rows / tokens
    assert len(loss.step.fused.extras["gate_logits"]) == 2 * 3
    assert loss.parts["expert_target"].item() == pytest.approx(total, rel=1e-5)


def variation(values: list[float]) -> float:
    return statistics.variance(values) / statistics.mean(values) ** 2


def test_importance_and_load_are_balanced_by_group() -> None:
    masks = all_combinations(3).repeat(3, 1)
    loss = loss_of(masks)
    extras, total = loss.step.fused.extras, 0.0
    for used in (*extras["gate_weights"], *extras["gate_load"]):
        sums = {True: [0.0] * 7, False: [0.0] * 7}
        for i, mask in enumerate(masks.tolist()):
            for row in used[i].tolist():
                for e, x in enumerate(row):
                    sums[all(mask)][e] += x
        total += variation(sums[True]) + variation(sums[False][1:])
    assert loss.parts["expert_balance"].item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("experts", [None, 1, 2])
def test_groups_without_samples_and_few_experts_count_nothing(experts: int | None) -> None:
    """One modality lacks nothing; of two experts one is left for what lacks something."""
    for masks in (torch.ones(3, 1).bool(), torch.tensor([[True, False]] * 3)):
        loss = loss_of(masks, experts=experts)
        loss.total.backward()
        assert loss.total.isfinite()
        if masks.all():
            assert loss.parts["expert_target"].item() == 0


def test_the_target_teaches_the_gate_alone_its_experts() -> None:
    """After some steps on this term, tokens go to the expert of their combination."""
    torch.manual_seed(0)
    task = task_of(*[("vector", (3,))] * 3)
    model = build_method("flex-moe", task, network=Network(width=8), gate_weight=1.0, noise=False)
    masks = all_combinations(3)
    batch = random_batch(task, masks)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        model.training_loss(batch).total.backward()
        optimizer.step()
    logits = torch.cat(model.step(batch).fused.extras["gate_logits"], 1)
    chosen = logits.argmax(2)
    expected = torch.arange(1, 8)[:, None].expand_as(chosen)
    assert (chosen[:-1] == expected[:-1]).float().mean() > 0.9
