"""ShaSpec's method: a second, shared encoding of every modality."""

from __future__ import annotations

from torch import nn

from dmrnet.methods.base import Features, Method
from dmrnet.modalities import Inputs, Where


class ShaSpec(Method):
    """A method with a second, shared encoding of every modality."""

    shared: nn.Module

    def encode(self, inputs: Inputs, where: Where) -> Features:
        """Encode specific features by modality, and shared ones under ``MODALITY.shared``."""
        feats = super().encode(inputs, where)
        feats |= self.shared(inputs, where)
        return feats
