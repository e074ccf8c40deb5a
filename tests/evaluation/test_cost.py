"""The cost of evaluation, counted in operations, which vary less than seconds."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dmrnet.evaluation import evaluate
from dmrnet.methods.dmrnet import DMRNetSettings
from dmrnet.modalities import Batch, Modality, Task, all_combinations, rows_of
from dmrnet.nn.networks.network import Network

B = 2


@cache
def operations(modalities: int, combinations: int, size: int = 16) -> int:
    """Count the operations of evaluating a number of combinations of two images."""
    task = Task(
        tuple(Modality(f"m{k}", "image", (3, size, size)) for k in range(modalities)), ("a", "b")
    )
    torch.manual_seed(0)
    method = DMRNetSettings(network=Network(family="surf", stem=4)).build(task).eval()
    present = torch.ones(B, modalities, dtype=torch.bool)
    batch = Batch(
        {name: torch.zeros(B, 3, size, size) for name in task.modalities},
        present,
        torch.zeros(B, dtype=torch.int64),
        torch.arange(B),
        where=rows_of(present, task.modalities),
    )
    with FlopCounterMode(display=False) as counter:
        evaluate(method, [batch], all_combinations(modalities)[:combinations], 2)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("modalities", [2, 3, 4])
def test_a_combination_costs_the_stages_after_the_sum(modalities: int) -> None:
    one, two, three = (operations(modalities, k) for k in (1, 2, 3))
    # No encoder and no convolution of all modalities side by side runs again.
    assert three - two == two - one
    assert two - one == operations(2, 2) - operations(2, 1)


@pytest.mark.parametrize("combinations", [1, 3])
def test_modalities_cost_the_same_each(combinations: int) -> None:
    two, three, four = (operations(v, combinations) for v in (2, 3, 4))
    assert four - three == three - two
    assert two > 0
