"""The distribution term L_DR (Eq. 9): KL divergence from the standard normal."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.term import Step, Term

Reduction = Literal["sum", "position", "mean"]
"""Over channels and positions of one sample: sum both; sum channels and average positions; average
both. What a weight alpha means depends on it: for a map of C x H x W the three differ by factors of
H*W and C."""


def kl_standard_normal(mu: Tensor, log_var: Tensor, reduction: Reduction = "position") -> Tensor:
    r"""Return the KL divergence of each sample's Gaussian from the standard normal.

    .. math:: KL = \tfrac12 \sum (\sigma^2 + \mu^2 - 1 - \log \sigma^2)

    Args:
        mu: ``(B, C, H, W)``.
        log_var: log sigma^2, the shape of mu.
        reduction: Over C, H, W; see `Reduction`.

    Returns:
        ``(B,)``, float32 at least.

    Raises:
        ValueError: If the reduction is unknown.

    >>> import torch
    >>> mu = torch.ones(1, 3, 2, 2)
    >>> [float(kl_standard_normal(mu, 0 * mu, r)) for r in ("sum", "position", "mean")]
    [6.0, 1.5, 0.5]
    """
    mu, log_var = at_least_float32(mu), at_least_float32(log_var)
    kl = 0.5 * (log_var.exp() + mu.square() - 1 - log_var)
    by_channel = kl.flatten(2)
    if reduction == "sum":
        return by_channel.sum((1, 2))
    if reduction == "position":
        return by_channel.sum(1).mean(1)
    if reduction == "mean":
        return by_channel.mean((1, 2))
    raise ValueError(f"expected reduction as sum, position or mean, got {reduction!r}")


class Distribution(Term):
    """``L_DR = 1/N sum_i KL[N(mu_i, sigma_i^2) || N(0, I)]`` (Eq. 9), weight alpha.

    Args:
        alpha: Its weight; 1e-3 in the paper.
        reduction: Over channels and positions; the paper's letter is ``sum``.
        start_epoch: The first epoch, counted from 0, in which the term acts.
        detached: As the released segmentation code computes it: a number without a gradient, so
            that nothing is regularised.
    """

    def __init__(
        self,
        alpha: float,
        reduction: Reduction = "position",
        start_epoch: int = 0,
        detached: bool = False,
    ) -> None:
        super().__init__("distribution", alpha)
        self.start_epoch = start_epoch
        self.detached = detached
        if reduction not in ("sum", "position", "mean"):
            raise ValueError(f"expected reduction as sum, position or mean, got {reduction!r}")
        self.reduction: Reduction = reduction

    def weight(self, epoch: int) -> float:
        """Return alpha from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        if step.rep.log_var is None:
            raise TypeError("the distribution term needs a Gaussian, but the method has a point")
        mean = kl_standard_normal(step.rep.mu, step.rep.log_var, self.reduction).mean()
        return mean.detach() if self.detached else mean
