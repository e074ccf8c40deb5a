"""Weights of samples: a weight of 2 trains as the sample twice, 0 as without it."""

from __future__ import annotations

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch
from dmrnet.testing.batches import SMALL, TASKS, random_batch


def only(batch: Batch, rows: list[int]) -> Batch:
    """Return some rows of a batch, repeated ones included."""
    at = torch.tensor(rows)
    assert batch.mask is not None
    part = Batch(
        {name: x[at] for name, x in batch.inputs.items()},
        batch.present[at],
        batch.target[at],
        batch.index[at],
    )
    return part.masked(batch.mask[at], batch.present[at], ("m0", "m1", "m2"))


@pytest.mark.parametrize(
    "name", ["sf-md", "dmrnet", "experts", "dgl", "unimodal", "mmformer", "rfnet", "mmpareto-md"]
)
def test_a_weight_is_a_number_of_times(name: str) -> None:
    task = TASKS["maps"]
    settings = {"attention_dropout": 0.0} if name == "mmformer" else {}
    method = build_method(name, task, network=SMALL, **settings).double().eval()
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]], dtype=torch.bool)
    if name == "unimodal":
        mask = torch.ones_like(mask)
    batch = random_batch(task, mask, encode=torch.ones_like(mask))
    batch = Batch(**{**vars(batch), "inputs": {k: v.double() for k, v in batch.inputs.items()}})
    weighted = Batch(**{**vars(batch), "weight": torch.tensor([2.0, 1.0, 0.0, 1.0]).double()})
    totals = [method.training_loss(one).total for one in (weighted, only(batch, [0, 0, 1, 3]))]
    # The distribution term (Eq. 9) is of maps, not of labels, and is not weighed.
    if name != "dmrnet":
        assert totals[0].item() == pytest.approx(totals[1].item())
    task_losses = [
        method.training_loss(one).parts["task"] for one in (weighted, only(batch, [0, 0, 1, 3]))
    ]
    assert task_losses[0].item() == pytest.approx(task_losses[1].item())
