"""A training step made by hand, for tests of terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dmrnet.modalities import Batch
from dmrnet.nn.fusion import Fused
from dmrnet.nn.predictor import PooledLinear
from dmrnet.nn.representation import Representation
from dmrnet.objectives import Step, cross_entropy


@pytest.fixture
def make_step() -> Callable[..., Step]:
    """Return a function that runs the predictor on given means, log-variances and masks."""

    def make(
        mask: Tensor,
        target: Tensor,
        mu: Tensor,
        log_var: Tensor | None = None,
        value: Tensor | None = None,
        predictor: nn.Module | None = None,
        epoch: int = 0,
    ) -> Step:
        rep = Representation(mu if value is None else value, mu, log_var)
        out = (predictor or PooledLinear(mu.shape[1], 3))(rep.value)
        batch = Batch({}, torch.ones_like(mask), target, torch.arange(len(mask)), mask)
        task = cross_entropy(out.logits, target)
        return Step(mask, Fused(mu), rep, out, task, batch=batch, feats={}, epoch=epoch)

    return make
