"""Transformer layers: multi-head self-attention and a two-layer network."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

GELU = Literal["exact", "tanh"]
"""The Gaussian error linear unit itself, or its approximation by a hyperbolic tangent."""


class Attention(nn.Module):
    r"""Multi-head self-attention: ``softmax(q k^T / sqrt(D / heads)) v``, heads concatenated.

    `heads` must divide the D channels of a token. Attention weights have dropout of rate
    `dropout`, the output of rate `output_dropout`, by default the same.
    """

    def __init__(
        self, channels: int, heads: int, dropout: float, output_dropout: float | None = None
    ) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(
                f"expected heads that divide the {channels} channels of a token, got {heads}; "
                "change heads, embed or the network's width"
            )
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)
        self.weight_dropout = dropout
        self.dropout = nn.Dropout(dropout if output_dropout is None else output_dropout)

    def forward(
        self, tokens: Tensor, shown: Tensor | None = None, queries: int | None = None
    ) -> Tensor:
        """Attend over tokens ``(B, T, D)``; keys where bool ``(B, T)`` is False are left out.

        Only the first `queries` tokens attend, or all by default.
        """
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind()
        keys = None if shown is None else shown[:, None, None, :]
        p = self.weight_dropout if self.dropout.training else 0.0
        mixed = F.scaled_dot_product_attention(q[:, :, :queries], k, v, keys, p)
        attended: Tensor = self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return attended


class TransformerBlock(nn.Module):
    """Attention and a network of `ratio` D hidden channels, each after a norm and residual.

    See `Attention` for `output_dropout`.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        ratio: int,
        dropout: float,
        gelu: GELU = "exact",
        output_dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, dropout, output_dropout)
        self.mlp = nn.Sequential(
            nn.Linear(channels, ratio * channels),
            nn.GELU("tanh" if gelu == "tanh" else "none"),
            nn.Dropout(dropout),
            nn.Linear(ratio * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(
        self, tokens: Tensor, shown: Tensor | None = None, queries: int | None = None
    ) -> Tensor:
        """Map tokens ``(B, T, D)`` to those of the queries, by default all; see `Attention`."""
        tokens = tokens[:, :queries] + self.attention(self.norm1(tokens), shown, queries)
        result: Tensor = tokens + self.mlp(self.norm2(tokens))
        return result
