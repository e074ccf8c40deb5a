"""Every method that reads sequences of different length: padding more changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Modality, Task, all_combinations, mark_steps
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.testing.batches import SMALL

WALKS = Task(
    (
        Modality("left", "sequence", (4, 20), ragged=True),
        Modality("right", "sequence", (4, 20), ragged=True),
        Modality("pulse", "sequence", (1, 30)),
    ),
    ("a", "b", "c"),
)
SMALLER = {"mmformer": {"embed": 16}, "flex-moe": {"embed": 16}}


@pytest.mark.parametrize("name", list(METHODS))
def test_padding_changes_no_logit_of_any_combination(name: str) -> None:
    torch.manual_seed(0)
    method = build_method(name, WALKS, "best", network=SMALL, **SMALLER.get(name, {}))
    assert isinstance(method, Method)
    for norm in method.modules():
        if isinstance(norm, BatchNorm):
            norm.running_mean.normal_(0, 0.3)
    method.eval()
    walks = {
        side: mark_steps(torch.randn(7, 3, 20), torch.randint(1, 21, (7,)))
        for side in ("left", "right")
    }
    pulse, masks = torch.randn(7, 1, 30), all_combinations(3)
    padded = {side: F.pad(x, (0, 13)) for side, x in walks.items()}
    with torch.no_grad():
        one = method({**walks, "pulse": pulse}, masks)
        other = method({**padded, "pulse": pulse}, masks)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        # What there is does matter.
        shorter = {side: mark_steps(x[:, :-1], x[:, -1].sum(1) // 2) for side, x in walks.items()}
        assert not torch.allclose(method({**shorter, "pulse": pulse}, masks)[:3], one[:3])
