"""Convolution, batch norm and ReLU."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.layers.norm import BatchNorm


def conv_block(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a padded convolution without bias, batch norm and ReLU.

    Args:
        before: Number of input channels.
        after: Number of output channels.
        kernel: Odd kernel size.
        stride: Stride of the convolution.
    """
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        BatchNorm(after),
        nn.ReLU(inplace=True),
    )
