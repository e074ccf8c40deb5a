"""Large tensors as a few numbers that any difference would change."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from tests.parity.fixtures import normal
from torch import Tensor


def digests(tensors: Iterable[Tensor]) -> Tensor:
    """Return four numbers for each of several tensors: products with fixed directions."""
    rows = torch.stack([x.detach().flatten() for x in tensors])
    return rows @ normal("directions", (rows.shape[1], 4)) / math.sqrt(rows.shape[1])
