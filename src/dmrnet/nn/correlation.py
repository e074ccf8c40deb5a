"""Every modality's features as a linear expression of the others' (LCR)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Fused
from dmrnet.nn.trunks import MixFusion


class Correlations(nn.Module):
    r"""Latent correlation: ``F_i = sum_j Gamma_ij f_j + Gamma_i0``, with Gamma_i read from f_i.

    The sum runs over the other modalities (and over i itself with `own`). The parameters come from
    a small network on the pooled features, one a modality,

    .. math:: \Gamma_i = W_2 \, \text{LeakyReLU}(W_1 \, \text{GAP}(f_i))

    A hidden modality counts as zeros: it adds nothing to the others, and its own Gamma is that of
    zeros. With a single modality there is no other, and `own` holds whatever is set.

    Args:
        modalities: V.
        channels: C of every map; C / 2 hidden.
        own: F_i has a summand of f_i too.
        channelwise: Gamma has a number for every channel, and not one for all of them.
    """

    def __init__(
        self, modalities: int, channels: int, own: bool = False, channelwise: bool = False
    ) -> None:
        super().__init__()
        self.own = own or modalities == 1
        self.each = channels if channelwise else 1
        hidden = max(1, channels // 2)
        summands = modalities - (not self.own) + 1
        self.estimate = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, hidden),
                nn.LeakyReLU(),
                nn.Linear(hidden, summands * self.each),
            )
            for _ in range(modalities)
        )

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Express ``(B, V, C, H, W)``, zeros where hidden, by each other; the same shape."""
        expressed = []
        for i, estimate in enumerate(self.estimate):
            gamma = estimate(maps[:, i].mean((2, 3))).unflatten(1, (-1, self.each, 1, 1))
            others = [j for j in range(maps.shape[1]) if self.own or j != i]
            terms = maps[:, others] * gamma[:, :-1]
            expressed.append(terms.sum(1) + gamma[:, -1])
        return torch.stack(expressed, 1)


class DualAttention(nn.Module):
    r"""Attention to channels beside attention to positions: ``x * c(x) + x * s(x)``.

    .. math:: c = \sigma(W_2 \text{ReLU}(W_1 \text{GAP}(x))), \quad s = \sigma(w * x)

    with ``w`` a 1x1 convolution to one channel.

    Args:
        channels: C; C / 2 hidden.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.channels = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )
        self.positions = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``(B, C, H, W)``."""
        channels: Tensor = self.channels(x.mean((2, 3)))
        positions: Tensor = self.positions(x)
        return x * channels[:, :, None, None] + x * positions


class CorrelationFusion(MixFusion):
    """Correlated maps side by side, then a trunk; tells both sides, for a term."""

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps under bool ``(B, V)``; told are f and F, ``(B, V, C, H, W)`` each."""
        maps = self.stacked(feats, mask)
        expressed: Tensor = self.mix(maps, mask)
        return Fused(self.trunk(expressed.flatten(1, 2)), told=(maps, expressed))
