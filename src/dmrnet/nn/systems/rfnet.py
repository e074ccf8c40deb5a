"""Region-aware fusion: soft regions, and weights of the modalities in each (RFNet)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Extras, Fused
from dmrnet.nn.layers.connected_zero import connected_zero
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.networks.custom_fusion import MixFusion
from dmrnet.nn.networks.level_fusion import LevelMixing

HIDDEN = 128
"""Of the network that weighs modalities, as in the source."""


class RegionWeights(nn.Module):
    """One small network a region, from descriptors to a weight for every modality.

    ``w_r = sigmoid(W2 LeakyReLU(W1 d_r + b1) + b2)``; all regions in one product.

    Args:
        regions: R.
        inputs: Numbers in a descriptor.
        modalities: V.
    """

    def __init__(self, regions: int, inputs: int, modalities: int) -> None:
        super().__init__()
        self.w1, self.b1 = _linear(regions, inputs, HIDDEN)
        self.w2, self.b2 = _linear(regions, HIDDEN, modalities)

    def forward(self, descriptor: Tensor) -> Tensor:
        """Weigh: ``(B, R, inputs)`` to ``(B, R, V)``."""
        hidden = torch.einsum("bri,rih->brh", descriptor, self.w1) + self.b1
        hidden = nn.functional.leaky_relu(hidden, 0.2)
        return torch.sigmoid(torch.einsum("brh,rhv->brv", hidden, self.w2) + self.b2)


def _linear(regions: int, inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Return weights and biases that start as those of linear layers do."""
    bound = 1 / math.sqrt(inputs)
    weight = torch.empty(regions, inputs, outputs).uniform_(-bound, bound)
    return nn.Parameter(weight), nn.Parameter(torch.empty(regions, outputs).uniform_(-bound, bound))


class RegionMixing(nn.Module):
    r"""Soft regions of the masked maps, and in each of them a weighted sum over modalities.

    .. math:: p = softmax_r(\text{PRM}([f_1, .., f_V])), \quad R_{vr} = p_r f_v, \quad
        d_r = [\tfrac{\text{GAP}(R_{1r})}{\text{GAP}(p_r)}, .., \text{GAP}(p_r)], \quad
        F_r = \sum_v w_{rv}(d_r) R_{vr}

    with f_v zero where hidden and no gradient through p. Then a 1x1 block of all F_r side by side
    gives one half of the result's channels, and one of the masked maps the other (by default each
    V C / 2, so that the trunk reads as many as behind a concatenation).

    Args:
        modalities: V.
        channels: C of every map.
        regions: R.
        plane: Maps have more than one position: the region network looks at 3 x 3 of them.
        after: C of the result; None for V C.
    """

    def __init__(
        self,
        modalities: int,
        channels: int,
        regions: int,
        plane: bool,
        after: int | None = None,
    ) -> None:
        super().__init__()
        side_by_side = modalities * channels
        small = max(1, channels // 4)
        self.bottleneck = nn.Sequential(
            *_block(side_by_side, small, 1),
            *_block(small, small, 3 if plane else 1),
            *_block(small, small, 1),
        )
        self.regions = nn.Conv2d(small, regions, 1)
        self.weights = RegionWeights(regions, side_by_side + 1, modalities)
        after = after or side_by_side
        half = after // 2
        self.fuse = nn.Sequential(*_block(regions * channels, half, 1))
        self.short = nn.Sequential(*_block(side_by_side, after - half, 1))

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mix ``(B, V, C, H, W)``, zeros where hidden.

        Returns:
            The mixed map ``(B, after, H, W)``, and the regions' logits ``(B, R, H, W)``.
        """
        together = maps.flatten(1, 2)
        logits = self.regions(self.bottleneck(together))
        p = logits.softmax(1).detach()
        share = p.mean((2, 3))
        # What the regions hold of each modality on average, without holding every R_vr.
        pooled = torch.einsum("brhw,bvchw->brvc", p, maps) / p[0, 0].numel()
        pooled = pooled.flatten(2) / (share + 1e-7).unsqueeze(2)
        weights = self.weights(torch.cat([pooled, share.unsqueeze(2)], 2))
        summed = torch.einsum("brv,bvchw->brchw", weights, maps) * p.unsqueeze(2)
        mixed = torch.cat([self.fuse(summed.flatten(1, 2)), self.short(together)], 1)
        if self.training:
            # Where no term reads the regions their parameters get zero gradients, not none.
            mixed = mixed + connected_zero(self.bottleneck) + connected_zero(self.regions)
        return mixed, logits


def _block(before: int, after: int, kernel: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return conv, BatchNorm(after), nn.LeakyReLU(0.2)


class RegionFusion(MixFusion):
    """Region mixing, then a trunk; the extra ``regions`` holds the regions' logits."""

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps under bool ``(B, V)``; the extra is ``(B, R, H, W)``."""
        mixed, logits = self.mix(self.stacked(feats, mask), mask)
        return Fused(self.trunk(mixed), extras={"regions": (logits,)})


class LevelRegions(LevelMixing):
    """A level of a network for every pixel whose maps meet by regions.

    Args:
        modalities: V.
        before: C of every map.
        regions: R.
        after: C of what comes of it; None for V C.
    """

    def __init__(
        self, modalities: int, before: int, regions: int, after: int | None = None
    ) -> None:
        super().__init__()
        self.channels = after or modalities * before
        self.mix = RegionMixing(modalities, before, regions, plane=True, after=after)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Mix the maps; the extra ``regions`` holds the regions' logits ``(B, R, H, W)``."""
        mixed, logits = self.mix(maps, mask)
        return mixed, {"regions": (logits,)}
