"""Representations between fusion and predictor (Sec. 3.2, Eq. 4-7; Table 4).

A representation is a point, or a Gaussian with mean ``mu`` and variance ``exp(log_var)`` on the
fused map (DMR), the pooled vector (PE) or the attention-pooled vector (PCME). The predictor reads a
sample in training and the mean at inference, which is not random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.layers.pointwise import Pointwise

Predicts = Literal["log_var", "log_sigma"]
"""Output of the variance head: log sigma^2, or log sigma as printed in Eq. 6."""

LIMIT = 10.0
"""Bound of |log sigma^2|; e^10 is far above any variance that occurs in training."""


@dataclass(frozen=True)
class Representation:
    """Representation of the fused map.

    Attributes:
        value: Tensor ``(B, C, H, W)`` that the predictor reads: a sample in training, `mu` at
            inference.
        mu: Mean ``(B, C, H, W)``, or the point itself (Eq. 5).
        log_var: log sigma^2 (Eq. 6), of the same shape; None without a distribution.
    """

    value: Tensor
    mu: Tensor
    log_var: Tensor | None = None

    @property
    def mean_variance(self) -> Tensor | None:
        """Mean sigma^2 of each sample, ``(B,)``, without a graph (Eq. 10)."""
        if self.log_var is None:
            return None
        return at_least_float32(self.log_var.detach()).exp().flatten(1).mean(1)


def sample(mu: Tensor, log_var: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw ``s = mu + eps * sigma`` with eps from N(0, I) (Eq. 7), in float32 at least.

    Args:
        mu: Mean ``(B, ...)``.
        log_var: log sigma^2, of the same shape.
        generator: Generator of eps, on the device of mu; None for torch's global one.
    """
    mu, log_var = at_least_float32(mu), at_least_float32(log_var)
    eps = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + eps * (log_var / 2).exp()


class RepresentationHead(nn.Module):
    """Base class of heads that turn the fused map into a representation."""

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the representation of a fused map.

        Args:
            fused: Fused map ``(B, C, H, W)``.
            generator: Generator of the sample in training; None for torch's global one.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")

    def infer(self, fused: Tensor) -> Tensor:
        """Return the value to predict from at inference; a Gaussian leaves out its variance."""
        value: Tensor = self(fused).value
        return value

    def drop_variance(self) -> None:
        """Remove the layers that only the variance needs, for deployment."""


class Point(RepresentationHead):
    """The fused map itself: what the conventional subspace model predicts from (Eq. 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the map ``(B, C, H, W)`` unchanged."""
        return Representation(fused, fused)


class _Gaussian(RepresentationHead):
    """A Gaussian with bounded variance: a sample in training if `sampled`, else its mean."""

    def __init__(self, sampled: bool, predicts: Predicts) -> None:
        super().__init__()
        if predicts not in ("log_var", "log_sigma"):
            raise ValueError(f"expected predicts as log_var or log_sigma, got {predicts!r}")
        self.sampled = sampled
        self.predicts = predicts

    def drop_variance(self) -> None:
        """Remove the layers of log sigma^2; only `infer` works from then on."""
        for name, _ in list(self.named_children()):
            if "log_var" in name:
                delattr(self, name)

    def gaussian(
        self, mu: Tensor, raw: Tensor, generator: torch.Generator | None
    ) -> Representation:
        """Return the representation for the outputs of both heads."""
        mu, raw = at_least_float32(mu), at_least_float32(raw)
        log_var = (2 * raw if self.predicts == "log_sigma" else raw).clamp(-LIMIT, LIMIT)
        if not self.training or not self.sampled:
            return Representation(mu, mu, log_var)
        return Representation(sample(mu, log_var, generator), mu, log_var)


class DMR(_Gaussian):
    """A Gaussian on the feature map: 1x1 convolution and batch norm for each of mu and sigma.

    Source: Eq. 4-7 and Sec. 3.2 ("a simple 1x1 convolution with the batch norm").

    Args:
        channels: Number of channels of the fused map.
        sampled: Whether the value is a sample in training; False for the mean.
        predicts: Output of the variance head: ``log_var`` (default) or ``log_sigma`` (Eq. 6 as
            printed, which overflowed on real data without a bound).
    """

    def __init__(self, channels: int, sampled: bool = True, predicts: Predicts = "log_var") -> None:
        super().__init__(sampled, predicts)
        self.mu = nn.Sequential(Pointwise(channels, channels), BatchNorm(channels))
        self.log_var = nn.Sequential(Pointwise(channels, channels), BatchNorm(channels))

    def infer(self, fused: Tensor) -> Tensor:
        """Return the mean ``(B, C, H, W)``."""
        return at_least_float32(self.mu(fused))

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the Gaussian of ``(B, C, H, W)``."""
        return self.gaussian(self.mu(fused), self.log_var(fused), generator)


class PE(DMR):
    """The two heads of `DMR` on the pooled vector (Table 4, "+PE"); not for dense tasks.

    Weights start from Xavier's normal distribution and biases at zero, as those of every linear
    layer of the released audio-visual code.
    """

    def __init__(self, channels: int, sampled: bool = True, predicts: Predicts = "log_var") -> None:
        super().__init__(channels, sampled, predicts)
        for layer in (self.mu[0], self.log_var[0]):
            assert isinstance(layer, Pointwise)
            assert layer.bias is not None
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def infer(self, fused: Tensor) -> Tensor:
        """Return the mean ``(B, C, 1, 1)``."""
        return super().infer(fused.mean((2, 3), keepdim=True))

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the Gaussian ``(B, C, 1, 1)`` of the pooled map."""
        return super().forward(fused.mean((2, 3), keepdim=True), generator)


class MeanHead(RepresentationHead):
    """The mean head of `DMR` alone, not sampled and not regularised: the control ``head-only``.

    Args:
        channels: Number of channels of the fused map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mu = nn.Sequential(Pointwise(channels, channels), BatchNorm(channels))

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the mean ``(B, C, H, W)`` as a point."""
        mu: Tensor = self.mu(fused)
        return Representation(mu, mu)


class _Attention(nn.Module):
    """Attention pooling over positions: ``a = softmax_n(w2 tanh(W1 x_n))``, ``r = sum a_n x_n``.

    Source: Chun et al., CVPR 2021, the pooling of their PIE head; C/2 hidden units, no biases.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.w1 = nn.Linear(channels, hidden, bias=False)
        self.w2 = nn.Linear(hidden, 1, bias=False)
        for layer in (self.w1, self.w2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool ``(B, N, C)`` into ``(B, C)``."""
        weights = self.w2(torch.tanh(self.w1(tokens))).softmax(1)
        pooled: Tensor = (weights * tokens).sum(1)
        return pooled


class PCME(_Gaussian):
    """A Gaussian on the attention-pooled vector (Table 4, "+PCME"); not for dense tasks.

    Source: Chun et al., CVPR 2021, image encoder. ``mu = LayerNorm(W g + sigmoid(W_r r))`` and
    ``log sigma^2 = W' g + W'_r r'`` with g the pooled map and r, r' the attention pooling of each
    branch; W_r and W'_r start from Xavier's uniform distribution, with zero biases. Departures: mu
    is not scaled to unit length unless `normalise`, since the predictor is a linear classifier and
    not a cosine similarity; the second head is log sigma^2 both in sampling and in the distribution
    term (the released code uses it in two ways).

    Args:
        channels: Number of channels of the fused map.
        sampled: Whether the value is a sample in training; False for the mean.
        predicts: Output of the variance head: ``log_var`` or ``log_sigma``.
        normalise: Whether mu is scaled to unit length.
    """

    def __init__(
        self,
        channels: int,
        sampled: bool = True,
        predicts: Predicts = "log_var",
        normalise: bool = False,
    ) -> None:
        super().__init__(sampled, predicts)
        self.normalise = normalise
        self.attend_mu = _Attention(channels)
        self.attend_log_var = _Attention(channels)
        self.pooled_mu = nn.Linear(channels, channels)
        self.attended_mu = nn.Linear(channels, channels)
        self.pooled_log_var = nn.Linear(channels, channels)
        self.attended_log_var = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        for layer in (self.attended_mu, self.attended_log_var):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def infer(self, fused: Tensor) -> Tensor:
        """Return the mean ``(B, C, 1, 1)``."""
        tokens = fused.flatten(2).transpose(1, 2)
        return at_least_float32(self._mu(tokens, tokens.mean(1)))[..., None, None]

    def _mu(self, tokens: Tensor, pooled: Tensor) -> Tensor:
        residual = torch.sigmoid(self.attended_mu(self.attend_mu(tokens)))
        mu: Tensor = self.norm(self.pooled_mu(pooled) + residual)
        return F.normalize(mu, dim=1) if self.normalise else mu

    def forward(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Return the Gaussian ``(B, C, 1, 1)``."""
        tokens = fused.flatten(2).transpose(1, 2)
        pooled = tokens.mean(1)
        mu = self._mu(tokens, pooled)
        raw = self.pooled_log_var(pooled) + self.attended_log_var(self.attend_log_var(tokens))
        return self.gaussian(mu[..., None, None], raw[..., None, None], generator)
