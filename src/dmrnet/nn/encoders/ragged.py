"""The encoder of sequences of different length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrnet.nn.encoders.basic import SequenceEncoder
from dmrnet.nn.layers.norm import BatchNorm


class RaggedEncoder(SequenceEncoder):
    """A `SequenceEncoder` that reads as many steps as each sample has.

    Padded steps are zeros before every convolution, as if the sequence ended there, and do not
    count in the statistics of batch norms. The last map is pooled to a fixed number of positions,
    each a share of the sample's own length (`pool_steps`). So what follows, attention included,
    sees no padding, and more padding changes nothing.

    Args:
        channels: Number of channels of the sequence, without the last, which says which steps there
            are.
        length: Largest number of steps in training; it determines the number of blocks.
        width: Number of channels of the map.
    """

    def __init__(self, channels: int, length: int, width: int) -> None:
        super().__init__(channels, length, width)
        self.positions = length
        for layer in self.layers:
            if isinstance(layer, nn.Conv1d):
                self.positions = -(-self.positions // layer.stride[0])

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C + 1, T)``, of any T, as ``(B, width, 1, positions)``.

        The last channel is 1 at the steps of a sample, and 0 after them.
        """
        steps = x[:, -1:] > 0.5
        x = x[:, :-1]
        for layer in self.layers:
            if isinstance(layer, nn.Conv1d):
                x = layer(torch.where(steps, x, 0.0))
                # A convolution of odd kernel, padded by half of it, keeps every stride-th step.
                steps = steps[..., :: layer.stride[0]]
            elif isinstance(layer, BatchNorm):
                x = layer(x, steps)
            else:
                x = layer(x)
        return pool_steps(x, steps.sum((1, 2)), self.positions).unsqueeze(2)


def pool_steps(x: Tensor, lengths: Tensor, positions: int) -> Tensor:
    """Average the steps of each sample in equal shares of its own length.

    Each sample is pooled as adaptive average pooling would pool it without its padding; the result
    is zero for a sample without steps.

    Args:
        x: Tensor of shape ``(B, C, T)``; steps after the length of a sample do not count.
        lengths: Int64 number of steps of each sample, ``(B,)``.
        positions: Number of shares, K.

    Returns:
        Tensor of shape ``(B, C, K)``.

    >>> pool_steps(torch.tensor([[[1.0, 3.0, 5.0, 9.0]]]), torch.tensor([3]), 3).tolist()
    [[[1.0, 3.0, 5.0]]]
    """
    k = torch.arange(positions, device=x.device)
    n = lengths[:, None]
    start, end = k * n // positions, ((k + 1) * n + positions - 1) // positions
    step = torch.arange(x.shape[2], device=x.device)[:, None]
    share = (step >= start[:, None]) & (step < end[:, None])
    weight = share.to(x.dtype) / share.sum(1, keepdim=True).clamp(min=1)
    counted = torch.where(step.T[:, None] < n[:, None], x, 0.0)
    return counted @ weight
