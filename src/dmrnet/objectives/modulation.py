"""On-the-fly gradient modulation: the encoder of the modality that leads learns more slowly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

Modulates = Literal["none", "ogm", "ogm-ge"]
"""Nothing; the gradients are scaled; they are scaled and get noise (generalisation enhancement)."""


Modulated = Literal["weights", "convolutions"]
"""Whose gradients are changed: weights of two or more dimensions, or of four, as released."""


def own_logits(pooled: Tensor, linear: nn.Linear, sizes: Sequence[int]) -> list[Tensor]:
    """Part the logits of a linear layer on concatenated features by modality.

    Args:
        pooled: ``(B, sum C_v)``.
        linear: To M classes.
        sizes: C_v of each modality.

    Returns:
        ``W_v g_v + b / V``, ``(B, M)`` each; their sum is the layer's output.
    """
    weights = linear.weight.split(list(sizes), 1)
    features = pooled.split(list(sizes), 1)
    bias = linear.bias / len(sizes)
    return [g @ w.T + bias for g, w in zip(features, weights, strict=True)]


def scores(logits: Sequence[Tensor], target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each modality's own logits give the true class, and for how many samples.

    Args:
        logits: ``(B, M)`` a modality.
        target: int64 ``(B,)``.
        mask: bool ``(B, V)``; a sample counts for what it shows.

    Returns:
        Sums of probabilities and counts, float64 ``(V,)`` each: they add over processes.
    """
    right = torch.stack(
        [row.double().softmax(1).gather(1, target[:, None])[:, 0] for row in logits], 1
    )
    return torch.where(mask, right, 0.0).sum(0), mask.double().sum(0)


def coefficients(sums: Tensor, counts: Tensor, alpha: float, first_leads: bool = False) -> Tensor:
    r"""Return what each encoder's gradient is multiplied by, ``(V,)``.

    .. math:: k_v = 1 - \tanh(\alpha \rho_v) \text{ if } \rho_v > 1 \text{ else } 1, \quad
        \rho_v = s_v / \text{mean}_{u \ne v} s_u

    With two modalities that is OGM's ratio of one to the other; for more it is held against the
    mean of the others. A modality that no sample shows is left out, and left alone.

    Args:
        sums: Of the probability of the true class.
        counts: Samples that show the modality.
        alpha: Strength.
        first_leads: At a tie the first modality counts as leading, as released.

    >>> coefficients(torch.tensor([6.0, 2.0]), torch.tensor([8.0, 8.0]), 0.5)
    tensor([0.0949, 1.0000])
    """
    seen = counts > 0
    mean = torch.where(seen, sums / counts.clamp(min=1), 0.0)
    others = (mean.sum() - mean) / (seen.sum() - 1).clamp(min=1)
    leads = seen & (others > 0) & (mean > others)
    if first_leads:
        first = torch.arange(len(mean), device=mean.device) == 0
        leads = leads | (seen & (others > 0) & (mean == others) & first)
    ratio = mean / torch.where(others > 0, others, 1.0)
    return torch.where(leads, 1 - torch.tanh(alpha * ratio), 1.0)


class Modulation:
    """Scales the gradients of encoders' weights, and may add noise to them.

    Source: Peng et al., CVPR 2022 (OGM-GE). As in its released code the noise has each gradient's
    own standard deviation before scaling and goes to every encoder, those that are not scaled too.
    There only convolutions are modulated, and at a tie audio is; here every weight of two or more
    dimensions, so that encoders of vectors are as well, and at a tie none.

    Args:
        kind: See `Modulates`; not none.
        alpha: Strength; .8 for CREMA-D and .1 for VGGSound in the source.
        last_epoch: The last one, counted from 0, in which gradients are changed; None for no end.
        of: See `Modulated`.
        first_leads: See `coefficients`.
    """

    def __init__(
        self,
        kind: Modulates,
        alpha: float,
        last_epoch: int | None,
        of: Modulated = "weights",
        first_leads: bool = False,
    ) -> None:
        if kind not in ("ogm", "ogm-ge"):
            raise ValueError(f"expected modulation as none, ogm or ogm-ge, got {kind!r}")
        if not alpha >= 0:
            raise ValueError(f"expected modulation_alpha of 0 or more, got {alpha}")
        if of not in ("weights", "convolutions"):
            raise ValueError(f"expected modulated as weights or convolutions, got {of!r}")
        self.kind = kind
        self.alpha = alpha
        self.dimensions = (4,) if of == "convolutions" else (2, 3, 4, 5)
        self.first_leads = first_leads
        self.last_epoch = last_epoch
        # The same on all processes, which are built from the same seed.
        self.salt = int(torch.randint(1 << 31, ()))
        self.at = (-1, 0)

    def __call__(
        self, encoders: Iterable[nn.Module], sums: Tensor, counts: Tensor, epoch: int
    ) -> None:
        """Change the gradients of the encoders in place.

        Args:
            encoders: One a modality.
            sums: See `scores`; of this process.
            counts: See `scores`.
            epoch: Counted from 0.
        """
        if self.last_epoch is not None and epoch > self.last_epoch:
            return
        self.at = (epoch, self.at[1] + 1 if self.at[0] == epoch else 0)
        sums, counts = over_processes(torch.stack([sums, counts])).unbind()
        factors = coefficients(sums, counts, self.alpha, self.first_leads)
        noise = torch.Generator(sums.device).manual_seed(
            self.salt + 1_000_003 * self.at[0] + self.at[1]
        )
        for factor, encoder in zip(factors.unbind(), encoders, strict=True):
            for parameter in encoder.parameters():
                grad = parameter.grad
                if grad is None or grad.dim() not in self.dimensions:
                    continue
                scaled = grad * factor.to(grad)
                if self.kind == "ogm-ge" and grad.numel() > 1:
                    drawn = torch.randn(grad.shape, generator=noise, device=grad.device)
                    scaled += drawn.to(grad) * (grad.std() + 1e-8)
                grad.copy_(scaled)


def over_processes(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, on each of them."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor
