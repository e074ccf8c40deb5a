"""Predictors: from a representation to logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    """Output of a predictor.

    Attributes:
        logits: Logits ``(B, M)``, or ``(B, M, H, W)`` in dense tasks.
        side: Logits of side outputs at other scales, in dense tasks.
    """

    logits: Tensor
    side: tuple[Tensor, ...] = ()


class PooledLinear(nn.Module):
    """Global average pooling and one linear layer (Eq. 3 and 8: ``W g(s)``).

    Args:
        channels: Number of channels of the representation.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Predict from ``(B, C, H, W)``."""
        return Output(self.linear(value.mean((2, 3))))
