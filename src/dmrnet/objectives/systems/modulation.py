"""On-the-fly gradient modulation (OGM): the encoder of the leading modality learns more slowly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

Modulates = Literal["none", "ogm", "ogm-ge"]
"""No modulation; scaled gradients; scaled gradients with noise (generalisation enhancement)."""

Modulated = Literal["weights", "convolutions"]
"""Parameters whose gradients are scaled: those with 2 or more dimensions, or 4, as released."""


def own_logits(pooled: Tensor, linear: nn.Linear, sizes: Sequence[int]) -> list[Tensor]:
    """Split the logits of a linear layer on concatenated features by modality.

    Args:
        pooled: Features ``(B, sum C_v)``.
        linear: Linear layer to M classes.
        sizes: Number of features C_v of each modality.

    Returns:
        ``W_v g_v + b / V`` of each modality, ``(B, M)``; their sum is the layer's output.
    """
    weights = linear.weight.split(list(sizes), 1)
    features = pooled.split(list(sizes), 1)
    bias = linear.bias / len(sizes)
    return [g @ w.T + bias for g, w in zip(features, weights, strict=True)]


def scores(logits: Sequence[Tensor], target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability of the true class by each modality's own logits, added over samples.

    Args:
        logits: Logits ``(B, M)`` of each modality.
        target: Int64 tensor of shape ``(B,)``.
        mask: Bool tensor of shape ``(B, V)``; a sample counts for its visible modalities.

    Returns:
        Sums of probabilities and numbers of samples, float64 ``(V,)`` each.
    """
    right = torch.stack(
        [row.double().softmax(1).gather(1, target[:, None])[:, 0] for row in logits], 1
    )
    return torch.where(mask, right, 0.0).sum(0), mask.double().sum(0)


def coefficients(sums: Tensor, counts: Tensor, alpha: float, first_leads: bool = False) -> Tensor:
    r"""Return the factor of each encoder's gradient, ``(V,)``.

    .. math:: k_v = 1 - \tanh(\alpha \rho_v) \text{ if } \rho_v > 1 \text{ else } 1, \quad
        \rho_v = s_v / \text{mean}_{u \ne v} s_u

    with s_v the mean probability of the true class. For two modalities rho is OGM's ratio of one to
    the other. A modality that no sample shows is left out of the means, and its factor is 1.

    Args:
        sums: Sums of the probability of the true class.
        counts: Numbers of samples that show the modality.
        alpha: Strength of the modulation.
        first_leads: Whether the first modality counts as leading at a tie, as released.

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
    standard deviation before scaling, and is added in every encoder, also without scaling. The
    released code modulates convolutions only, and audio at a tie; here every weight with two or
    more dimensions is modulated, so that encoders of vectors are as well, and nothing at a tie.

    Args:
        kind: Kind of modulation; see `Modulates`.
        alpha: Strength; .8 for CREMA-D and .1 for VGGSound in the source.
        last_epoch: Last epoch, counted from 0, with modulation; None for no end.
        of: Parameters that are modulated; see `Modulated`.
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
        # Equal on all processes, which are built from the same seed.
        self.salt = int(torch.randint(1 << 31, ()))
        self.at = (-1, 0)

    def __call__(
        self, encoders: Iterable[nn.Module], sums: Tensor, counts: Tensor, epoch: int
    ) -> None:
        """Change the gradients of the encoders in place.

        Args:
            encoders: Encoder of each modality.
            sums: Sums of probabilities in this process; see `scores`.
            counts: Numbers of samples in this process; see `scores`.
            epoch: Epoch, counted from 0.
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
