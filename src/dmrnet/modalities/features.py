"""Features of a batch that are computed once and then fused under many masks."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dmrnet.modalities.batch import Inputs
from dmrnet.modalities.rows import take_rows


class CachedFeatures:
    """Features that all combinations of a sample share in evaluation.

    A fusion that computes more than the encoders' features in advance has a subclass of its own.

    Args:
        feats: Features ``(B, ...)`` by name.
    """

    def __init__(self, feats: Inputs) -> None:
        self.feats = feats

    @property
    def row_size(self) -> int:
        """Number of values in one selected row."""
        return sum(f.shape[1:].numel() for f in self.feats.values())

    def select(self, rows: Tensor, mask: Tensor) -> Any:  # noqa: ANN401
        """Select rows, to be fused under this mask and no other.

        Args:
            rows: int64 ``(b,)``; a row may be selected under several masks.
            mask: bool ``(b, V)``: modalities that are visible in each selected row.

        Returns:
            What the model's fusion reads; by default the features ``(b, ...)`` by name.
        """
        return {name: take_rows(f, rows) for name, f in self.feats.items()}
