"""Precision of likelihoods, divergences and sums."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(value: Tensor) -> Tensor:
    """Return a tensor in float32, or in float64 if it is float64.

    Half precision (autocast) is for matrix products; exponentials and sums of many values need
    full precision. A float64 model stays in float64.

    >>> at_least_float32(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    >>> at_least_float32(torch.ones(1, dtype=torch.float64)).dtype
    torch.float64
    """
    return value.to(torch.promote_types(value.dtype, torch.float32))
