"""A method that is trained without modality dropout."""

from __future__ import annotations

from torch import Tensor

from dmrnet.methods.base import Method
from dmrnet.modalities import Batch


class Undropped(Method):
    """A method that shows all present modalities in training, whatever the sampler drew."""

    def training_mask(self, batch: Batch) -> Tensor:
        """Return what is present, bool ``(B, V)``."""
        return batch.present
