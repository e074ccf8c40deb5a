"""A running average of the weights, which is what is evaluated and kept."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of a model's weights and normalisation statistics.

    The decay of step t is ``min(decay, (1 + t) / (10 + t))``, smaller at first so that the initial
    weights are forgotten. Other state (counts, sums of mining, the hard set) is copied. Torch's
    `AveragedModel` would average it, and starts from the weights after the first step.

    Args:
        model: Model that is trained.
        decay: Decay of the average by step.

    Attributes:
        model: Copy of the model with the averaged weights.
        steps: Number of updates.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.steps = 0
        self.follow(model)

    def follow(self, model: nn.Module) -> None:
        """Average a model of the same kind from now on, on its device.

        To be called again when the model has moved: its tensors are listed here once, since going
        through modules at every step takes longer than the average itself.
        """
        device = next((tensor.device for tensor in _state(model)), None)
        pairs = list(zip(_state(self.model.to(device)), _state(model), strict=True))
        averaged = [pair for pair in pairs if _is_averaged(pair[0])]
        self._averaged = [mine for mine, _ in averaged]
        self._current = [theirs for _, theirs in averaged]
        self._copied = [pair for pair in pairs if not _is_averaged(pair[0])]

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step to the average."""
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._averaged, self._current, weight)

    @torch.no_grad()
    def copy_counts(self) -> None:
        """Copy the other state, which changes at the end of an epoch or is only read then."""
        for mine, theirs in self._copied:
            mine.copy_(theirs)


def _state(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _is_averaged(tensor: Tensor) -> bool:
    # Sums of mining are float64, counts and sets are integers or bool.
    return tensor.is_floating_point() and tensor.dtype != torch.float64
