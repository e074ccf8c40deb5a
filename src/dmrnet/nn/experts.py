"""One whole network a modality, and the average of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Fused, masked
from dmrnet.nn.parts import Parts
from dmrnet.nn.precision import at_least_float32
from dmrnet.nn.predictor import Output

Combine = Literal["probabilities", "logits"]
"""What is averaged over the experts of the modalities that are shown."""


class Expert(nn.Module):
    """Encoder, trunk and predictor of one modality, in one.

    Args:
        name: Of the modality.
        parts: Of a network for that modality alone.
    """

    def __init__(self, name: str, parts: Parts) -> None:
        super().__init__()
        self.name = name
        self.encoder = parts.encoders[name]
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``(B, *shape)`` as a map ``(B, M, 1, 1)``."""
        encoded = self.encoder(x)
        shown = torch.ones((x.shape[0], 1), dtype=torch.bool, device=x.device)
        logits: Tensor = self.predictor(self.fusion({self.name: encoded}, shown).map, ()).logits
        return logits[..., None, None]


class ExpertAverage(nn.Module):
    r"""Averages the experts of what is shown.

    .. math:: \log \tfrac{1}{|S|} \sum_{v \in S} softmax(l_v)
        \quad\text{or}\quad \tfrac{1}{|S|} \sum_{v \in S} l_v

    Args:
        modalities: In the order of mask columns.
        combine: The average of probabilities (on the left), or of logits.
    """

    def __init__(self, modalities: Sequence[str], combine: Combine = "probabilities") -> None:
        super().__init__()
        if combine not in ("probabilities", "logits"):
            raise ValueError(f"expected combine as probabilities or logits, got {combine!r}")
        self.modalities = tuple(modalities)
        self.combine = combine

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Average logits ``(B, M, 1, 1)`` each under bool ``(B, V)``."""
        columns = zip(self.modalities, mask.unbind(1), strict=True)
        logits = torch.stack([masked(feats[name], column) for name, column in columns], 1)
        shown = mask.sum(1).view(-1, 1, 1, 1)
        if self.combine == "logits":
            return Fused(logits.sum(1) / shown)
        log_p = at_least_float32(logits).log_softmax(2)
        hidden = ~mask.view(*mask.shape, 1, 1, 1)
        return Fused(log_p.masked_fill(hidden, -torch.inf).logsumexp(1) - shown.log())


class AsLogits(nn.Module):
    """Reads a map ``(B, M, 1, 1)`` as logits: nothing is left to predict."""

    def forward(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Return ``(B, M)``."""
        return Output(value.flatten(1))
