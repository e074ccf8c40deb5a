"""LCR's method: inputs may be blanked in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Where
from dmrnet.nn.fusion import Fused, masked
from dmrnet.objectives import Step

Hides = Literal["features", "inputs"]
"""Zeros that stand for a hidden modality in training: of its features, or of its input."""


class LCR(Method):
    """A method that may blank hidden inputs in training.

    Attributes:
        hides: What is zero for a hidden modality; features of absent modalities are zero in any
            case.
    """

    hides: Hides = "features"

    def step(self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None) -> Step:
        """Run a masked batch through all stages; blank hidden inputs first, if set so."""
        if self.blanks and batch.mask is not None:
            columns = zip(self.modalities, batch.mask.unbind(1), strict=True)
            blank = {name: masked(batch.inputs[name], column) for name, column in columns}
            batch = replace(batch, inputs=blank)
        return super().step(batch, epoch, generator)

    def fuse(self, feats: Any, mask: Tensor, rows: Where | None = None) -> Fused:  # noqa: ANN401
        """Fuse the visible modalities; if inputs are blanked, all of them."""
        if self.blanks:
            return super().fuse(feats, torch.ones_like(mask))
        return super().fuse(feats, mask, rows)

    @property
    def blanks(self) -> bool:
        """Whether inputs are blanked now."""
        return self.training and self.hides == "inputs"
