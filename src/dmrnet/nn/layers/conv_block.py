"""Convolution, norm and nonlinearity, on images and on volumes."""

from __future__ import annotations

from torch import nn

from dmrnet.nn.layers.instance_norm import InstanceNorm
from dmrnet.nn.layers.norm import BatchNorm

SLOPE = 0.2
"""Slope of the nonlinearity of volumes below zero, as in RFNet and mmFormer."""


def convolution(
    axes: int, before: int, after: int, kernel: int = 1, stride: int = 1, bias: bool = True
) -> nn.Conv2d | nn.Conv3d:
    """Return a padded convolution of odd kernel size over 2 or 3 axes of space."""
    kind = nn.Conv2d if axes == 2 else nn.Conv3d
    return kind(before, after, kernel, stride, kernel // 2, bias=bias)


def norm_and_nonlinearity(axes: int, channels: int) -> tuple[nn.Module, nn.Module]:
    """Return batch norm and ReLU for images, instance norm and LeakyReLU for volumes."""
    if axes == 2:
        return BatchNorm(channels), nn.ReLU(inplace=True)
    return InstanceNorm(channels), nn.LeakyReLU(SLOPE, inplace=True)


def conv_block(
    before: int, after: int, kernel: int = 3, stride: int = 1, axes: int = 2
) -> nn.Sequential:
    """Return a padded convolution of odd kernel size without bias, norm and nonlinearity."""
    return nn.Sequential(
        convolution(axes, before, after, kernel, stride, bias=False),
        *norm_and_nonlinearity(axes, after),
    )
