"""OGM-MD's method: the gradients of encoders may be modulated."""

from __future__ import annotations

import torch

from dmrnet.methods.base import Method
from dmrnet.nn.predictor import PooledLinear
from dmrnet.objectives import Step
from dmrnet.objectives.systems.modulation import Modulation, own_logits, scores


class OGMMD(Method):
    """A method whose encoders' gradients may be modulated.

    Attributes:
        modulation: Modulation of the gradients, or None.
    """

    modulation: Modulation | None = None

    def on_gradients(self, step: Step) -> None:
        """Scale the gradients of the encoder that predicts best by itself."""
        if self.modulation is None:
            return
        assert isinstance(self.predictor, PooledLinear)
        with torch.no_grad():
            sizes = [self.shapes[name][0] for name in self.modalities]
            # The map may be in half precision; the weights are not.
            pooled = step.fused.map.mean((2, 3)).to(self.predictor.linear.weight)
            logits = own_logits(pooled, self.predictor.linear, sizes)
            sums, counts = scores(logits, step.batch.target, step.mask)
            self.modulation(self.encoders, sums, counts, step.epoch)
