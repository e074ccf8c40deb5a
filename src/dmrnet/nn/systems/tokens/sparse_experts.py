"""A sparse mixture of experts: a gate sends each token to a few of several small networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32

NOISE_FLOOR = 1e-2
"""Added to the deviation of the gate's noise, as in Shazeer et al."""


@dataclass(frozen=True)
class Gate:
    """Choice of experts for each of N tokens.

    Attributes:
        logits: Logits of all E experts, with noise in training, ``(N, E)``.
        chosen: Numbers of the chosen experts, int64 ``(N, K)``.
        weights: Their weights, which add up to 1, ``(N, K)``.
        load: Probability that another draw of an expert's noise chooses it, ``(N, E)``; without
            noise whether it is chosen.
    """

    logits: Tensor
    chosen: Tensor
    weights: Tensor
    load: Tensor

    @property
    def dense(self) -> Tensor:
        """Weights of all experts, 0 if not chosen, ``(N, E)``."""
        return torch.zeros_like(self.logits).scatter(1, self.chosen, self.weights)


class NoisyTopGate(nn.Module):
    r"""Noisy top-K gate of Shazeer et al. (ICLR 2017, Eq. 3-5), computed in float32 at least.

    .. math:: h = x W_g + \epsilon \cdot (\mathrm{softplus}(x W_n) + .01), \quad
       g = \mathrm{softmax}(h_{top K}), \quad \epsilon \sim N(0, 1)

    The noise is drawn in training only, as that of dropout from torch's global generator.

    Args:
        channels: Number of channels of a token.
        experts: Number of experts, E.
        active: Number of experts that a token is sent to, K; all if there are fewer.
        noise: Whether there is noise in training.
    """

    def __init__(self, channels: int, experts: int, active: int, noise: bool) -> None:
        super().__init__()
        self.active = min(active, experts)
        self.score = nn.Linear(channels, experts, bias=False)
        self.noise = nn.Linear(channels, experts, bias=False) if noise else None

    def forward(self, tokens: Tensor) -> Gate:
        """Choose experts for tokens ``(N, D)``."""
        with torch.autocast(tokens.device.type, enabled=False):
            x = at_least_float32(tokens)
            clean = self.score(x)
            deviation = None
            logits = clean
            if self.noise is not None and self.training:
                deviation = F.softplus(self.noise(x)) + NOISE_FLOOR
                logits = clean + torch.randn_like(clean) * deviation
            top, order = logits.topk(min(self.active + 1, logits.shape[1]), 1)
            chosen = order[:, : self.active]
            if deviation is None or top.shape[1] == self.active:
                load = torch.zeros_like(clean).scatter(1, chosen, 1.0)
            else:
                # The K-th largest logit of the other experts (Eq. 8-9 there).
                last, next_ = top[:, -2, None], top[:, -1, None]
                bound = torch.where(logits > next_, next_, last)
                load = torch.special.ndtr((clean - bound) / deviation)
            return Gate(logits, chosen, top[:, : self.active].softmax(1), load)


class SparseExperts(nn.Module):
    """Networks ``D -> ratio D -> D``, of which each token is sent to a few: ``sum_k g_k f_k(x)``.

    On a CPU each expert runs on its own tokens. On other devices, and in exports, every expert runs
    on every token, since numbers of tokens are not known there without waiting.

    Args:
        channels: Number of channels of a token, D.
        experts: Number of experts.
        ratio: Number of hidden channels, as a multiple of D.
        gate: Chooses the experts.
    """

    def __init__(self, channels: int, experts: int, ratio: int, gate: NoisyTopGate) -> None:
        super().__init__()
        self.gate = gate
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, ratio * channels),
                nn.GELU(),
                nn.Linear(ratio * channels, channels),
            )
            for _ in range(experts)
        )

    def forward(self, tokens: Tensor) -> tuple[Tensor, Gate]:
        """Return the mixture for tokens ``(N, D)``, and the choice of experts."""
        gate = self.gate(tokens)
        if tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            return self.sparse(tokens, gate), gate
        return self.dense(tokens, gate), gate

    def dense(self, tokens: Tensor, gate: Gate) -> Tensor:
        """Run every expert on every token."""
        outputs = torch.stack([expert(tokens) for expert in self.experts], 1)
        weights = gate.dense.to(outputs.dtype)
        return (weights[:, None] @ outputs)[:, 0]

    def sparse(self, tokens: Tensor, gate: Gate) -> Tensor:
        """Run each expert on the tokens that are sent to it."""
        order = gate.chosen.flatten().argsort()
        rows = order // gate.chosen.shape[1]
        counts = gate.chosen.flatten().bincount(minlength=len(self.experts)).tolist()
        parts = zip(self.experts, tokens[rows].split(counts), strict=True)
        outputs = torch.cat([expert(part) for expert, part in parts])
        weighted = outputs * gate.weights.flatten()[order, None].to(outputs.dtype)
        return torch.zeros_like(tokens, dtype=outputs.dtype).index_add(0, rows, weighted)
