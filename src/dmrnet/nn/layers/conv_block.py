"""Convolution, batch norm and ReLU."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.layers.norm import BatchNorm


def conv_block(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a padded convolution of odd kernel size without bias, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        BatchNorm(after),
        nn.ReLU(inplace=True),
    )
