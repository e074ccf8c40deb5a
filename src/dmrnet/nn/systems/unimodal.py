"""One whole network a modality, and the average of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs, spread_rows, take_rows
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.rows import encode_no_rows
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.layers.norm import synchronises
from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.predictor import Output

Combine = Literal["probabilities", "logits"]
"""What is averaged over the experts of the modalities that are shown."""


class Expert(nn.Module):
    """Encoder, trunk and predictor of one modality, in one.

    Args:
        name: Of the modality.
        parts: Of a network for that modality alone.
    """

    def __init__(self, name: str, parts: NetworkParts) -> None:
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


class PixelExpert(MultiLevelEncoder):
    """Encoder, fusion and decoder of one modality, in one, for every pixel.

    Args:
        name: Of the modality.
        parts: Of a dense network for that modality alone.
        classes: M.
    """

    def __init__(self, name: str, parts: NetworkParts, classes: int) -> None:
        super().__init__()
        self.name, self.classes = name, classes
        self.encoder = parts.encoders[name]
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """What the image goes through, in order."""
        assert isinstance(self.encoder, MultiLevelEncoder)
        return (*self.encoder.parts, self.fusion, self.predictor)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, M, H, W)`` of ``(B, C, H, W)``."""
        return self.read(x).logits

    def read(self, x: Tensor) -> Output:
        """Return the logits, and in training those of side outputs, of ``(B, C, H, W)``."""
        assert isinstance(self.encoder, MultiLevelEncoder)
        shown = torch.ones((x.shape[0], 1), dtype=torch.bool, device=x.device)
        fused = self.fusion(self.encoder.encode(self.name, x), shown)
        out: Output = self.predictor(fused.map, fused.skips)
        return out

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return logits, at level 0 ``(B, M, H, W)``, behind it those of side outputs.

        Of no rows there are no side outputs.

        Args:
            modality: Goes into the names.
            x: ``(B, C, H, W)``.
            rows: int64, the rows to look at, the others come out as zeros; None for every row.
        """
        made: tuple[Tensor, ...]
        if rows is not None and len(rows) == 0 and not synchronises(self):
            made = (encode_no_rows(self, x, (self.classes, *x.shape[2:])),)
        else:
            out = self.read(x if rows is None else take_rows(x, rows))
            made = (out.logits, *out.side)
        if rows is not None:
            made = tuple(spread_rows(logits, rows, x.shape[0]) for logits in made)
        return {feature_name(modality, level): logits for level, logits in enumerate(made)}


class ExpertAverage(Fusion):
    r"""Averages the experts of what is shown.

    .. math:: \log \tfrac{1}{|S|} \sum_{v \in S} softmax(l_v)
        \quad\text{or}\quad \tfrac{1}{|S|} \sum_{v \in S} l_v

    Args:
        modalities: In the order of mask columns.
        combine: The average of probabilities (on the left), or of logits.
        stride: Of `PixelExpert`: what must divide an image's height and width; None of `Expert`.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        combine: Combine = "probabilities",
        stride: int | None = None,
    ) -> None:
        super().__init__()
        if combine not in ("probabilities", "logits"):
            raise ValueError(f"expected combine as probabilities or logits, got {combine!r}")
        self.modalities = tuple(modalities)
        self.combine = combine
        self.dense = stride is not None
        self.stride = stride or 1

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Average logits ``(B, M, 1, 1)``, or of every pixel, each under bool ``(B, V)``."""
        names = [feature_name(name, 0) if self.dense else name for name in self.modalities]
        columns = zip(names, mask.unbind(1), strict=True)
        logits = torch.stack([masked(feats[name], column) for name, column in columns], 1)
        shown = mask.sum(1).view(-1, 1, 1, 1)
        if self.combine == "logits":
            return Fused(logits.sum(1) / shown)
        log_p = at_least_float32(logits).log_softmax(2)
        hidden = ~mask.view(*mask.shape, 1, 1, 1)
        return Fused(log_p.masked_fill(hidden, -torch.inf).logsumexp(1) - shown.log())


class AsLogits(nn.Module):
    """Reads a map as logits: nothing is left to predict.

    Args:
        dense: Of every pixel.
    """

    def __init__(self, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense

    def forward(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Return ``(B, M)`` of ``(B, M, 1, 1)``, or ``(B, M, H, W)`` as they are."""
        return Output(value if self.dense else value.flatten(1))
