"""Pooled experts of single modalities, next to a fused part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Where
from dmrnet.nn.fusion import Fused, Fusion, masked_all
from dmrnet.nn.systems.experts.expert import is_logits, logits_name
from dmrnet.targets import CLASSES, Target

Pooling = Literal["logits", "probabilities", "weights"]
"""Pooling of the visible experts: mean of logits (a product of experts), log of the mean of
probabilities (a mixture), or sum of logits with weights that are fitted on validation."""

Fuses = Literal["residual", "network"]
"""Training of the fused part: as a residual of the pooled experts, on detached features; or as a
network by itself, whose loss also reaches the encoders."""


@dataclass(frozen=True, kw_only=True)
class FusedWithExperts(Fused):
    """Result of a fusion next to pooled experts.

    Attributes:
        pooled: Pooled logits of the experts, ``(B, M, ...)``.
        share: Weight of the fused part's logits, ``(B, 1, ...)``.
    """

    pooled: Tensor
    share: Tensor


class ExpertPool(nn.Module):
    r"""Pools the logits of the visible experts.

    .. math:: p_S = a_{|S|} \, \frac{1}{|S|} \sum_{v \in S} u_v

    with one learned scale a for each number of modalities; :math:`a_1 = 1`. The mean of logits is,
    up to normalisation, the geometric mean of the experts' probabilities (a product of experts,
    Hinton, Neural Computation 2002). With ``probabilities`` the mean is
    :math:`\log \frac{1}{|S|} \sum_v softmax(u_v)`. With ``weights`` training is as with ``logits``,
    and inference takes :math:`\sum_v w_{|S|, v} u_v`, w fitted on validation (`set_weights`).

    Next to a fused network both have a weight of 1/2, :math:`z_S = (r_S + p_S) / 2`, for a single
    modality too, and a is 1.

    Args:
        modalities: Names in the order of mask columns.
        pooling: See `Pooling`.
        fuses: How the fused part is trained; see `Fuses`.
        kind: What is predicted.
    """

    expert_weights: Tensor
    fused_weights: Tensor
    fitted: Tensor

    def __init__(
        self,
        modalities: Sequence[str],
        pooling: Pooling = "logits",
        fuses: Fuses = "residual",
        kind: Target = CLASSES,
    ) -> None:
        super().__init__()
        if pooling not in ("logits", "probabilities", "weights"):
            raise ValueError(
                f"expected pooling as logits, probabilities or weights, got {pooling!r}"
            )
        self.modalities = tuple(modalities)
        self.pooling = pooling
        self.fuses = fuses
        self.kind = kind
        number = len(self.modalities)
        if fuses == "residual":
            self.scale = nn.Parameter(torch.ones(number))
        if pooling == "weights":
            # Float64, which an average of weights copies and does not average.
            zeros = torch.zeros(number, number, dtype=torch.float64)
            self.register_buffer("expert_weights", zeros)
            self.register_buffer("fused_weights", zeros[0].clone())
            self.register_buffer("fitted", torch.zeros(number, dtype=torch.bool))

    def forward(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Pool logits ``(B, M, ...)``, by `logits_name`, under bool ``(B, V)``."""
        logits = masked_all(feats, [logits_name(name) for name in self.modalities], mask)
        ones = (-1, *[1] * (logits[0].dim() - 1))
        row = mask.sum(1) - 1
        if self.fuses == "residual":
            scale = torch.where(row == 0, 1.0, self.scale.index_select(0, row))
        else:
            scale = torch.full_like(row, 0.5, dtype=logits[0].dtype)
        if self.pooling == "probabilities":
            hidden = ~mask.T.reshape(len(logits), *ones)
            return scale.view(ones) * self.kind.mixture(torch.stack(logits), hidden, 0)
        share = mask * (scale / (row + 1))[:, None]
        if self.pooling == "weights" and not self.training:
            weights = self.expert_weights.to(share).index_select(0, row)
            share = torch.where(self.fitted.index_select(0, row)[:, None], mask * weights, share)
        weighted = [w.view(ones) * u for w, u in zip(share.unbind(1), logits, strict=True)]
        return sum(weighted[1:], start=weighted[0])

    def fused_share(self, mask: Tensor) -> Tensor:
        """Return the weight of the fused part in each row, ``(B,)``.

        A residual has 0 for a single modality.
        """
        row = mask.sum(1) - 1
        share = (row > 0).float() if self.fuses == "residual" else 0.5 * torch.ones_like(row)
        if self.pooling == "weights" and not self.training:
            weights = self.fused_weights.to(share).index_select(0, row)
            share = torch.where(self.fitted.index_select(0, row), weights, share)
        return share

    def set_weights(self, number: int, weights: Tensor) -> None:
        """Set the weights for a number of modalities: float64 ``(V + 1,)``, the fusion last."""
        self.expert_weights[number - 1] = weights[:-1]
        self.fused_weights[number - 1] = weights[-1]
        self.fitted[number - 1] = True

    def restrict(self, modalities: Sequence[str]) -> None:
        """Keep the weights of some modalities only, for deployment."""
        kept = [v for v, name in enumerate(self.modalities) if name in modalities]
        number = len(kept)
        self.modalities = tuple(self.modalities[v] for v in kept)
        if self.fuses == "residual":
            self.scale = nn.Parameter(self.scale[:number].detach(), requires_grad=False)
        if self.pooling == "weights":
            self.expert_weights = self.expert_weights[:number, kept]
            self.fused_weights = self.fused_weights[:number]
            self.fitted = self.fitted[:number]


@dataclass(frozen=True)
class SelectedExperts:
    """Selected rows of `CachedExperts`.

    Attributes:
        maps: What the fusion of the features reads.
        logits: Experts' logits ``(b, M, ...)``, by `logits_name`.
    """

    maps: Any
    logits: Inputs


class CachedExperts(CachedFeatures):
    """The experts' logits, next to what the fusion of the features has computed in advance.

    Args:
        logits: Experts' logits ``(B, M, ...)``, by `logits_name`.
        maps: Features for the fused part; None without one.
    """

    def __init__(self, logits: Inputs, maps: CachedFeatures | None) -> None:
        super().__init__(logits)
        self.maps = maps

    @property
    def row_size(self) -> int:
        """Number of values in one selected row."""
        return super().row_size + (0 if self.maps is None else self.maps.row_size)

    def select(self, rows: Tensor, mask: Tensor) -> SelectedExperts:
        """Select rows, to be fused under this mask and no other."""
        maps = None if self.maps is None else self.maps.select(rows, mask)
        return SelectedExperts(maps, super().select(rows, mask))


class ExpertsFusion(Fusion):
    """Pools the experts' logits, detached in training, and fuses the features.

    The result is the fusion's map with the pooled logits (`FusedWithExperts`); the map alone for a
    fused network in training, where it predicts by itself; the pooled logits as the map without a
    fusion. A residual reads detached features in training. Nothing is detached in evaluation, so
    that gradients show what a prediction depends on.

    Args:
        pool: Pool of the experts' logits.
        fusion: Fusion of the features, or None for the experts alone.
        stride: Number that must divide the height and width of images in a dense task.
    """

    def __init__(self, pool: ExpertPool, fusion: Fusion | None, stride: int = 1) -> None:
        super().__init__()
        self.pool = pool
        self.fusion = fusion
        self.stride = stride

    def forward(
        self, feats: Inputs | SelectedExperts, mask: Tensor, rows: Where | None = None
    ) -> Fused:
        """Fuse features and logits under bool ``(B, V)``, also known as row numbers or not."""
        if isinstance(feats, SelectedExperts):
            maps, logits = feats.maps, feats.logits
        else:
            maps, logits = split(feats)
            if self.training:
                logits = detached(logits)
                maps = detached(maps) if self.pool.fuses == "residual" else maps
        if self.fusion is None:
            pooled = self.pool(logits, mask)
            return Fused(pooled if pooled.dim() == 4 else pooled[..., None, None])
        fused: Fused = (
            self.fusion(maps, mask) if rows is None else self.fusion.fuse_rows(maps, mask, rows)
        )
        if self.training and self.pool.fuses == "network":
            return fused
        pooled = self.pool(logits, mask)
        share = self.pool.fused_share(mask).view(-1, *[1] * (pooled.dim() - 1))
        return FusedWithExperts(
            map=fused.map, skips=fused.skips, extras=fused.extras, pooled=pooled, share=share
        )

    def fuse_rows(self, feats: Inputs, mask: Tensor, rows: Where) -> Fused:
        """Fuse under a mask that is also known as row numbers; in training."""
        return self.forward(feats, mask, rows)

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Compute what the fusion of the features computes in advance."""
        maps, logits = split(feats)
        return CachedExperts(logits, None if self.fusion is None else self.fusion.prepare(maps))

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Drop the weights that only other modalities need, for deployment."""
        if self.fusion is not None and not self.fusion.restrict(modalities):
            return False
        self.pool.restrict(modalities)
        return True


class DetachedFusion(Fusion):
    """Fuses detached features in training, so that encoders learn nothing from the fused loss.

    Args:
        fusion: Fusion of the features.
    """

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion
        self.stride = fusion.stride

    def forward(self, feats: Any, mask: Tensor) -> Fused:  # noqa: ANN401
        """Fuse features, or what `CachedFeatures.select` returned, under bool ``(B, V)``."""
        fused: Fused = self.fusion(detached(feats) if self.training else feats, mask)
        return fused

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Compute what the fusion computes in advance, without experts' logits."""
        return self.fusion.prepare(split(feats)[0])

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Drop the weights that only other modalities need, for deployment."""
        return self.fusion.restrict(modalities)


def detached(feats: Inputs) -> dict[str, Tensor]:
    """Return features without their graph."""
    return {name: feature.detach() for name, feature in feats.items()}


def split(feats: Inputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the maps, and the experts' logits, by name."""
    maps = {name: feature for name, feature in feats.items() if not is_logits(name)}
    return maps, {name: feature for name, feature in feats.items() if is_logits(name)}
