"""Region-aware fusion: soft regions with weights of the modalities in each (RFNet)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Extras, Fused, over_space
from dmrnet.nn.layers.connected_zero import connected_zero
from dmrnet.nn.layers.conv_block import convolution
from dmrnet.nn.layers.instance_norm import InstanceNorm
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.nn.networks.custom_fusion import MixFusion
from dmrnet.nn.networks.level_fusion import LevelMixing

HIDDEN = 128
"""Hidden units of the networks that predict weights, as in the source."""

BEFORE_REGIONS = 16
"""Number of channels from which the logits of the regions are computed, as in the source."""


class RegionWeights(nn.Module):
    """A small network for each region, from its descriptor to a weight for each modality.

    ``w_r = sigmoid(W2 LeakyReLU(W1 d_r + b1) + b2)``, computed for all regions together.

    Attributes:
        decayed: Names of the weights, on which weight decay acts; biases have two dimensions here.
    """

    decayed: ClassVar[tuple[str, ...]] = ("w1", "w2")

    def __init__(self, regions: int, inputs: int, modalities: int) -> None:
        super().__init__()
        self.w1, self.b1 = _linear(regions, inputs, HIDDEN)
        self.w2, self.b2 = _linear(regions, HIDDEN, modalities)

    def forward(self, descriptor: Tensor) -> Tensor:
        """Map descriptors ``(B, R, inputs)`` to weights ``(B, R, V)``."""
        hidden = torch.einsum("bri,rih->brh", descriptor, self.w1) + self.b1
        hidden = nn.functional.leaky_relu(hidden, 0.2)
        return torch.sigmoid(torch.einsum("brh,rhv->brv", hidden, self.w2) + self.b2)


def _linear(regions: int, inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Return weights and biases, initialised as linear layers."""
    bound = 1 / math.sqrt(inputs)
    weight = torch.empty(regions, inputs, outputs).uniform_(-bound, bound)
    return nn.Parameter(weight), nn.Parameter(torch.empty(regions, outputs).uniform_(-bound, bound))


class RegionMixing(nn.Module):
    r"""Weighted sums of the masked maps over modalities, in soft regions.

    .. math:: p = softmax_r(\text{PRM}([f_1, .., f_V])), \quad R_{vr} = p_r f_v, \quad
        d_r = [\tfrac{\text{GAP}(R_{1r})}{\text{GAP}(p_r)}, .., \text{GAP}(p_r)], \quad
        F_r = \sum_v w_{rv}(d_r) R_{vr}

    with f_v zero where hidden and no gradient through p. The concatenated F_r give half of the
    output's channels, and the concatenated masked maps the other half: each goes through blocks of
    1x1, 3x3 and 1x1, of C channels in between. The output has V C channels by default, so that the
    trunk reads as many as after a concatenation; in the source it has C.

    Args:
        modalities: Number of modalities, V.
        channels: Number of channels of each map, C.
        regions: Number of regions, R.
        plane: Whether maps have more than one position; otherwise all kernels are 1x1.
        after: Number of output channels; None for V C.
        axes: Number of axes of space.
    """

    def __init__(
        self,
        modalities: int,
        channels: int,
        regions: int,
        plane: bool,
        after: int | None = None,
        axes: int = 2,
    ) -> None:
        super().__init__()
        concatenated = modalities * channels
        small = max(1, channels // 4)
        self.bottleneck = nn.Sequential(
            *_three_blocks(concatenated, small, channels, plane, axes),
            *_block(channels, BEFORE_REGIONS, 1, axes),
        )
        self.regions = Pointwise(BEFORE_REGIONS, regions)
        self.weights = RegionWeights(regions, concatenated + 1, modalities)
        after = after or concatenated
        half, rest = after // 2, after - after // 2
        self.fuse = nn.Sequential(*_three_blocks(regions * channels, channels, half, plane, axes))
        self.short = nn.Sequential(*_three_blocks(concatenated, channels, rest, plane, axes))

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mix maps ``(B, V, C, H, W)``, zeros where hidden.

        Returns:
            Mixed map ``(B, after, H, W)``, and the regions' logits ``(B, R, H, W)``.
        """
        concatenated = maps.flatten(1, 2)
        logits = self.regions(self.bottleneck(concatenated))
        p = logits.softmax(1).detach()
        share = p.mean(over_space(p)) + 1e-7
        # Mean of each modality in each region, without storing every R_vr.
        pooled = torch.einsum("brp,bvcp->brvc", p.flatten(2), maps.flatten(3)) / p[0, 0].numel()
        pooled = pooled.flatten(2) / share.unsqueeze(2)
        weights = self.weights(torch.cat([pooled, share.unsqueeze(2)], 2))
        summed = torch.einsum("brv,bvc...->brc...", weights, maps) * p.unsqueeze(2)
        mixed = torch.cat([self.fuse(summed.flatten(1, 2)), self.short(concatenated)], 1)
        if self.training:
            # If no term reads the regions, their parameters get zero gradients instead of None.
            mixed = mixed + connected_zero(self.bottleneck) + connected_zero(self.regions)
        return mixed, logits


def _three_blocks(
    before: int, between: int, after: int, plane: bool, axes: int
) -> tuple[nn.Module, ...]:
    return (
        *_block(before, between, 1, axes),
        *_block(between, between, 3 if plane else 1, axes),
        *_block(between, after, 1, axes),
    )


def _block(before: int, after: int, kernel: int, axes: int) -> tuple[nn.Module, ...]:
    norm = BatchNorm(after) if axes == 2 else InstanceNorm(after)
    return convolution(axes, before, after, kernel, bias=False), norm, nn.LeakyReLU(0.2)


class RegionFusion(MixFusion):
    """Region mixing, then a trunk."""

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps under bool ``(B, V)``; the extra ``regions`` holds logits ``(B, R, H, W)``."""
        mixed, logits = self.mix(self.stacked(feats, mask), mask)
        return Fused(self.trunk(mixed), extras={"regions": (logits,)})


class LevelRegions(LevelMixing):
    """Region mixing of the maps of one level; see `RegionMixing`."""

    def __init__(
        self, modalities: int, before: int, regions: int, after: int | None = None, axes: int = 2
    ) -> None:
        super().__init__()
        self.channels = after or modalities * before
        self.mix = RegionMixing(modalities, before, regions, plane=True, after=after, axes=axes)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse the maps; the extra ``regions`` holds logits ``(B, R, H, W)``."""
        mixed, logits = self.mix(maps, mask)
        return mixed, {"regions": (logits,)}
