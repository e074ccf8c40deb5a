"""Instance normalisation, for volumes: batches of one or two have no statistics of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32


class InstanceNorm(nn.Module):
    """Instance norm over ``(B, C, ...)`` of any rank with a scale and a shift for each channel.

    On maps of one position there is nothing to normalise by: the deviation would be zero, and
    torch raises an error. They are scaled and shifted only.

    Args:
        channels: Number of channels.
        eps: Value added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample's channels over their positions."""
        if x.shape[2:].numel() == 1:
            shape = (1, -1, *[1] * (x.dim() - 2))
            return x * self.weight.view(shape) + self.bias.view(shape)
        # Statistics in float32, as those of batch norms under autocast.
        y = F.instance_norm(at_least_float32(x), weight=self.weight, bias=self.bias, eps=self.eps)
        return y.to(x.dtype)
