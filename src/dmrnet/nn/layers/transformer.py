"""Transformer layers: multi-head self-attention and a two-layer network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    r"""Multi-head self-attention: ``softmax(q k^T / sqrt(D / heads)) v``, heads concatenated.

    `heads` must divide the D channels of a token. Attention weights and output have dropout.
    """

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(
                f"expected heads that divide the {channels} channels of a token, got {heads}; "
                "change heads, embed or the network's width"
            )
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, shown: Tensor | None = None, queries: int | None = None
    ) -> Tensor:
        """Attend over tokens ``(B, T, D)``; keys where bool ``(B, T)`` is False are left out.

        Only the first `queries` tokens attend, or all by default.
        """
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind()
        keys = None if shown is None else shown[:, None, None, :]
        p = self.dropout.p if self.dropout.training else 0.0
        mixed = F.scaled_dot_product_attention(q[:, :, :queries], k, v, keys, p)
        attended: Tensor = self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return attended


class TransformerBlock(nn.Module):
    """Attention and a network of `ratio` D hidden channels, each after a norm and residual."""

    def __init__(self, channels: int, heads: int, ratio: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(channels, ratio * channels),
            nn.GELU(approximate="tanh"),
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
