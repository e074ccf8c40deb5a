"""Calibration inside a graph: the temperature of each row's combination."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dmrnet.confidence import Confidence
from dmrnet.modalities import index_of

SMALLEST = math.log(1e-30)
"""Smallest log p that is tempered, as in `dmrnet.confidence.temper`."""


class Tempering(nn.Module):
    """Probabilities at the temperature of each row's combination.

    Args:
        confidence: What validation says.
        fixed: bool ``(V,)``: the combination of every row; None where it is given by row.
    """

    known: Tensor
    temperature: Tensor
    of_size: Tensor
    fixed: Tensor | None

    def __init__(self, confidence: Confidence, fixed: Tensor | None = None) -> None:
        super().__init__()
        known, temperature = index_of(confidence.combinations), confidence.temperature.float()
        self.register_buffer("known", known)
        self.register_buffer("temperature", temperature)
        # A combination that was not scored has the mean temperature of those of its size.
        self.register_buffer("of_size", confidence.temperature_of_sizes().float())
        self.register_buffer("fixed", fixed)

    def forward(self, logits: Tensor, present: Tensor | None) -> Tensor:
        """Return probabilities of logits ``(B, M)``; `present` is bool ``(B, V)``."""
        seen = present if self.fixed is None else self.fixed[None]
        assert seen is not None
        match = index_of(seen)[:, None] == self.known
        own = torch.where(match, self.temperature, 0.0).sum(1)
        temperature = torch.where(match.any(1), own, self.of_size[seen.sum(1)])
        log_p = logits.log_softmax(1)
        # Selected, not clamped: NaN stays NaN.
        log_p = torch.where(log_p < SMALLEST, SMALLEST, log_p)
        return (log_p / temperature[:, None]).softmax(1)
