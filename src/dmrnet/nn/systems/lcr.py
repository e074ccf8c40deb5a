"""Each modality's features as a linear expression of the others (LCR)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs
from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.fusion import Fused
from dmrnet.nn.networks.custom_fusion import MixFusion

LEAST_WEIGHT = 0.01
"""Smallest weight of a training step in the mean distance between two modalities."""


class Correlations(nn.Module):
    r"""Latent correlation: ``F_i = sum_j Gamma_ij f_j + Gamma_i0``, with Gamma_i read from f_i.

    The sum is over the other modalities (and i itself with `own`). A small network of each modality
    predicts the coefficients from its pooled features,

    .. math:: \Gamma_i = W_2 \, \text{LeakyReLU}(W_1 \, \text{GAP}(f_i))

    A hidden modality's features are zeros: it adds nothing to the others, and its own Gamma is
    predicted from zeros. With a single modality, `own` is always True.

    Args:
        modalities: Number of modalities, V.
        channels: Number of channels of each map, C; the networks have C / 2 hidden units.
        own: Whether the sum includes f_i.
        channelwise: Whether Gamma has a coefficient for each channel instead of one for all.
    """

    def __init__(
        self, modalities: int, channels: int, own: bool = False, channelwise: bool = False
    ) -> None:
        super().__init__()
        self.own = own or modalities == 1
        self.coefficients = channels if channelwise else 1
        hidden = max(1, channels // 2)
        summands = modalities - (not self.own) + 1
        self.estimate = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, hidden),
                nn.LeakyReLU(),
                nn.Linear(hidden, summands * self.coefficients),
            )
            for _ in range(modalities)
        )

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Return F ``(B, V, C, H, W)`` of maps f of the same shape, zeros where hidden."""
        expressed = []
        for i, estimate in enumerate(self.estimate):
            gamma = estimate(maps[:, i].mean((2, 3))).unflatten(1, (-1, self.coefficients, 1, 1))
            summands = [j for j in range(maps.shape[1]) if self.own or j != i]
            terms = maps[:, summands] * gamma[:, :-1]
            expressed.append(terms.sum(1) + gamma[:, -1])
        return torch.stack(expressed, 1)


class DualAttention(nn.Module):
    r"""Attention over channels plus attention over positions: ``x * c(x) + x * s(x)``.

    .. math:: c = \sigma(W_2 \text{ReLU}(W_1 \text{GAP}(x))), \quad s = \sigma(w * x)

    with ``w`` a 1x1 convolution to one channel and C / 2 hidden units.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.channels = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )
        self.positions = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Weight a map ``(B, C, H, W)``."""
        channels: Tensor = self.channels(x.mean((2, 3)))
        positions: Tensor = self.positions(x)
        return x * channels[:, :, None, None] + x * positions


class StandIn(nn.Module):
    r"""Replaces the features of a hidden modality by those of the most similar visible one.

    Similarity is the method's own divergence between distributions over channels:

    .. math:: D_{ij} = \text{mean}_{n, h, w} KL(softmax_c f_i \| softmax_c f_j), \quad
        f_i \leftarrow f_{\arg\min_j D_{ij}} \text{ where } i \text{ is hidden, } j \text{ visible}

    D is a mean over training steps, over samples that show both, in one process (as are statistics
    of batch norms). The weight of a step is at least `LEAST_WEIGHT`. Ties go to the first modality.
    """

    distances: Tensor
    steps: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.register_buffer("distances", torch.zeros(modalities, modalities))
        self.register_buffer("steps", torch.zeros(modalities, modalities, dtype=torch.int64))

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Return maps ``(B, V, C, H, W)`` with hidden ones, zeros so far, replaced."""
        if self.training:
            self.update(maps.detach(), mask)
        own = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        # A visible modality is nearest to itself; a hidden one is nearest to none.
        distances = torch.where(own & mask[:, :, None], -torch.inf, self.distances)
        nearest = torch.where(mask[:, None, :], distances, torch.inf).argmin(2)
        return maps.gather(1, nearest.view(*mask.shape, 1, 1, 1).expand_as(maps))

    @torch.no_grad()
    def update(self, maps: Tensor, mask: Tensor) -> None:
        """Update the mean distances by those of a training step."""
        log_p = at_least_float32(maps).log_softmax(2)
        p = log_p.exp()
        for i in range(mask.shape[1]):
            kl = (p[:, i : i + 1] * (log_p[:, i : i + 1] - log_p)).sum(2).mean((2, 3))
            both = mask & mask[:, i : i + 1]
            count = both.sum(0)
            mean = torch.where(both, kl, 0.0).sum(0) / count.clamp(min=1)
            self.steps[i] += count > 0
            weight = (1 / self.steps[i].clamp(min=1)).clamp(min=LEAST_WEIGHT) * (count > 0)
            self.distances[i] += weight * (mean - self.distances[i])


class CorrelationFusion(MixFusion):
    """Concatenates the expressed maps, then applies a trunk.

    Attributes:
        stand_in: Replacement of hidden maps before they are expressed, or None.
    """

    def __init__(self, *args: Any) -> None:  # noqa: ANN401
        super().__init__(*args)
        self.stand_in: StandIn | None = None

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse under bool ``(B, V)``; the extra ``correlation`` is f and F ``(B, V, C, H, W)``."""
        maps = self.stacked(feats, mask)
        filled = maps if self.stand_in is None else self.stand_in(maps, mask)
        expressed: Tensor = self.mix(filled, mask)
        return Fused(self.trunk(expressed.flatten(1, 2)), extras={"correlation": (maps, expressed)})
