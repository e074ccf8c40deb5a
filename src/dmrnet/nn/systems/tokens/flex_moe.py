"""Learned tokens for missing modalities, and transformer layers with sparse experts (Flex-MoE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmrnet.modalities import count, index_of
from dmrnet.nn.fusion import Extras
from dmrnet.nn.layers.transformer import Attention, TransformerBlock
from dmrnet.nn.systems.tokens.sparse_experts import Gate, NoisyTopGate, SparseExperts
from dmrnet.nn.systems.tokens.tokens import TokenMixer

MAX_BANK = 8
"""Largest number of modalities with a learned token of its own for every combination."""

MAX_EXPERTS = 16
"""Default number of experts where there are more combinations."""


def number_of_experts(modalities: int, experts: int | None = None) -> int:
    """Return the number of experts: by default one for each combination, 16 at most.

    >>> [number_of_experts(v) for v in (1, 2, 3, 4, 5)]
    [1, 3, 7, 15, 16]
    """
    return experts or min(count(modalities), MAX_EXPERTS)


def expert_of(mask: Tensor, experts: int) -> Tensor:
    """Return the expert e(S) of each mask ``(B, V)``, int64 ``(B,)``: 0 for the full combination.

    The others have the experts from 1 on, in the order of Eq. 10; if there are more combinations,
    several share an expert.

    >>> from dmrnet.modalities import all_combinations
    >>> expert_of(all_combinations(3), 7).tolist(), expert_of(all_combinations(3), 4).tolist()
    ([1, 2, 3, 4, 5, 6, 0], [1, 2, 3, 1, 2, 3, 0])
    """
    others = experts - 1
    shared = (index_of(mask) - 1) % max(1, others) + min(1, others)
    return torch.where(mask.all(1), 0, shared)


@dataclass(frozen=True)
class FlexMoEOptions:
    """Options of Flex-MoE's layers.

    Attributes:
        layers: Number of layers; the first, third, ... have experts.
        heads: Number of heads of each attention.
        ratio: Number of hidden channels of an expert, as a multiple of D.
        dropout: Dropout rate in the layers.
        experts: Number of experts; see `number_of_experts`.
        active: Number of experts that a token is sent to.
        noise: Whether the gate has noise in training.
        doubled: Whether the attention's output stands for the residual, too, as in the released
            code.
    """

    layers: int
    heads: int
    ratio: int
    dropout: float
    experts: int | None
    active: int
    noise: bool
    doubled: bool


class MissingBank(nn.Module):
    """Learned tokens B[S, v] for a missing modality v, by the visible combination S.

    Up to eight modalities there is one for each S and v. Beyond that the table would have 2^V rows,
    so that it is a sum: ``B[S, v] = b_v + sum_{u in S} b_{u,v}``.

    Args:
        owner: Modality of each token, int64 ``(T,)``.
        modalities: Number of modalities, V.
        embed: Number of channels of a token.
    """

    def __init__(self, owner: Tensor, modalities: int, embed: int) -> None:
        super().__init__()
        self.whole = modalities <= MAX_BANK
        rows = count(modalities) + 1 if self.whole else modalities
        self.table = nn.Parameter(torch.randn(rows, len(owner), embed))
        self.base = None if self.whole else nn.Parameter(torch.randn(len(owner), embed))
        if not self.whole:
            nn.init.normal_(self.table, std=modalities**-0.5)

    def forward(self, mask: Tensor) -> Tensor:
        """Return the tokens ``(N, T, D)`` for bool ``(N, V)``; those of visible ones are unused."""
        if self.base is None:
            return self.table[index_of(mask)]
        return self.base + torch.einsum("nv,vtd->ntd", mask.to(self.table.dtype), self.table)


class ExpertBlock(nn.Module):
    """A transformer layer with sparse experts in place of its network.

    Args:
        embed: Number of channels of a token.
        experts: Number of experts.
        options: Options of the layer.
    """

    def __init__(self, embed: int, experts: int, options: FlexMoEOptions) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(embed), nn.LayerNorm(embed)
        self.attention = Attention(embed, options.heads, options.dropout)
        gate = NoisyTopGate(embed, experts, options.active, options.noise)
        self.experts = SparseExperts(embed, experts, options.ratio, gate)
        self.dropout = nn.Dropout(options.dropout)
        self.doubled = options.doubled

    def forward(self, tokens: Tensor) -> tuple[Tensor, Gate]:
        """Map tokens ``(N, T, D)``; return the choice of experts for the N T tokens, too."""
        attended = self.attention(self.norm1(tokens))
        tokens = (attended if self.doubled else tokens) + self.dropout(attended)
        mixed, gate = self.experts(self.norm2(tokens).flatten(0, 1))
        return tokens + self.dropout(mixed.unflatten(0, tokens.shape[:2])), gate


class FlexMoEMixer(TokenMixer):
    """Fills missing tokens from a bank; layers with experts; each modality's mean, side by side.

    The extras ``gate_logits``, ``gate_weights`` and ``gate_load`` are read by terms of the loss: a
    tensor ``(N, T_v, E)`` for each layer with experts and each modality v.

    Args:
        counts: Number of tokens of each modality.
        embed: Number of channels of a token, D.
        options: Options of the layers.
    """

    def __init__(self, counts: Sequence[int], embed: int, options: FlexMoEOptions) -> None:
        super().__init__(counts, embed)
        self.channels = len(self.counts) * embed
        self.bank = MissingBank(self.owner, len(self.counts), embed)
        experts = number_of_experts(len(self.counts), options.experts)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed, options.heads, options.ratio, options.dropout)
            if layer % 2
            else ExpertBlock(embed, experts, options)
            for layer in range(options.layers)
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Mix tokens ``(N, T, D)`` under bool ``(N, V)``: ``(N, V D)``, and the gates."""
        visible = self.visible(mask)[..., None]
        x = torch.where(visible, tokens, self.bank(mask).to(tokens.dtype)) + self.position
        gates: list[Gate] = []
        for block in self.blocks:
            if isinstance(block, ExpertBlock):
                x, gate = block(x)
                gates.append(gate)
            else:
                x = block(x)
        means = [part.mean(1) for part in x.split(self.counts, 1)]
        extras = {
            "gate_logits": self.by_modality([gate.logits for gate in gates]),
            "gate_weights": self.by_modality([gate.dense for gate in gates]),
            "gate_load": self.by_modality([gate.load for gate in gates]),
        }
        return torch.cat(means, 1), extras

    def by_modality(self, layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Split tensors ``(N T, E)`` of all tokens into those of each modality."""
        by_sample = [x.unflatten(0, (-1, len(self.owner))) for x in layers]
        return tuple(part for x in by_sample for part in x.split(self.counts, 1))
