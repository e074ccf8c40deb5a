"""Every modality's features as a linear expression of the others' (LCR)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Fused
from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.nn.networks.custom_fusion import MixFusion

LATEST = 0.01
"""The least that a training step counts for in the mean distance between two modalities."""


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


class StandIn(nn.Module):
    r"""The most similar modality that is shown stands in for one that is hidden.

    Similar are modalities whose features are distributed alike over channels, as the method's own
    divergence has it:

    .. math:: D_{ij} = \text{mean}_{n, h, w} KL(softmax_c f_i \| softmax_c f_j), \quad
        f_i \leftarrow f_{\arg\min_j D_{ij}} \text{ where } i \text{ is hidden, } j \text{ shown}

    D is the mean over training steps, of samples that show both, of one process (as the statistics
    of its batch norms are); later steps count for at least `LATEST`. Of equals the first is taken.

    Args:
        modalities: V.
    """

    distances: Tensor
    steps: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.register_buffer("distances", torch.zeros(modalities, modalities))
        self.register_buffer("steps", torch.zeros(modalities, modalities, dtype=torch.int64))

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, V, C, H, W)`` with hidden maps, zeros so far, taken from others."""
        if self.training:
            self.learn(maps.detach(), mask)
        own = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        # What is shown is nearest to itself; what is hidden stands in for nobody.
        apart = torch.where(own & mask[:, :, None], -torch.inf, self.distances)
        nearest = torch.where(mask[:, None, :], apart, torch.inf).argmin(2)
        return maps.gather(1, nearest.view(*mask.shape, 1, 1, 1).expand_as(maps))

    @torch.no_grad()
    def learn(self, maps: Tensor, mask: Tensor) -> None:
        """Take a training step's divergences into their means."""
        log_p = at_least_float32(maps).log_softmax(2)
        p = log_p.exp()
        for i in range(mask.shape[1]):
            kl = (p[:, i : i + 1] * (log_p[:, i : i + 1] - log_p)).sum(2).mean((2, 3))
            both = mask & mask[:, i : i + 1]
            count = both.sum(0)
            now = torch.where(both, kl, 0.0).sum(0) / count.clamp(min=1)
            self.steps[i] += count > 0
            share = (1 / self.steps[i].clamp(min=1)).clamp(min=LATEST) * (count > 0)
            self.distances[i] += share * (now - self.distances[i])


class CorrelationFusion(MixFusion):
    """Correlated maps side by side, then a trunk.

    The extra ``correlation`` holds the maps and their expression, for a term.

    Args:
        rest: See `MixFusion`.

    Attributes:
        stand_in: What takes hidden maps from others first, or None.
    """

    def __init__(self, *rest: Any) -> None:  # noqa: ANN401
        super().__init__(*rest)
        self.stand_in: StandIn | None = None

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps under bool ``(B, V)``; the extras are f and F, ``(B, V, C, H, W)`` each."""
        maps = self.stacked(feats, mask)
        read = maps if self.stand_in is None else self.stand_in(maps, mask)
        expressed: Tensor = self.mix(read, mask)
        return Fused(self.trunk(expressed.flatten(1, 2)), extras={"correlation": (maps, expressed)})
