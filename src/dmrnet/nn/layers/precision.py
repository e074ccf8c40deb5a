"""The precision in which likelihoods, divergences and sums are computed."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(value: Tensor) -> Tensor:
    """Return a tensor in float32, or in float64 if it is that already.

    Half precision (autocast) is for products of matrices; exponentials and sums of many values are
    taken in full. A model in float64 stays in float64.

    >>> at_least_float32(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    >>> at_least_float32(torch.ones(1, dtype=torch.float64)).dtype
    torch.float64
    """
    return value.to(torch.promote_types(value.dtype, torch.float32))
