"""The distribution term L_DR (Eq. 9): KL divergence from the standard normal."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dmrnet.modalities.precision import at_least_float32
from dmrnet.objectives.term import Step, Term

Reduction = Literal["sum", "position", "mean"]
"""Reduction over the channels and positions of a sample: sum both; sum channels and average
positions; average both. For a map of C x H x W they differ by factors of H*W and C."""


def kl_standard_normal(mu: Tensor, log_var: Tensor, reduction: Reduction = "position") -> Tensor:
    r"""Return the KL divergence of each sample's Gaussian from the standard normal.

    .. math:: KL = \tfrac12 \sum (\sigma^2 + \mu^2 - 1 - \log \sigma^2)

    Args:
        mu: Means ``(B, C, H, W)``.
        log_var: log sigma^2, of the same shape.
        reduction: Reduction over C, H and W; see `Reduction`.

    Returns:
        Tensor of shape ``(B,)``, float32 at least.

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
        alpha: Weight of the term; 1e-3 in the paper.
        reduction: Reduction over channels and positions; Eq. 9 as printed is ``sum``.
        start_epoch: First epoch, counted from 0, in which the term is added.
        detached: Whether to detach the term, as the released segmentation code does, so that it
            regularises nothing.
    """

    def __init__(
        self,
        alpha: float,
        reduction: Reduction = "position",
        start_epoch: int = 0,
        detached: bool = False,
    ) -> None:
        super().__init__("distribution", alpha, start_epoch)
        self.detached = detached
        if reduction not in ("sum", "position", "mean"):
            raise ValueError(f"expected reduction as sum, position or mean, got {reduction!r}")
        self.reduction: Reduction = reduction

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        if step.rep.log_var is None:
            raise TypeError("the distribution term needs a Gaussian, but the method has a point")
        mean = kl_standard_normal(step.rep.mu, step.rep.log_var, self.reduction).mean()
        return mean.detach() if self.detached else mean
