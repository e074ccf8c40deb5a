"""A transformer on the visible modalities' tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.nn.fusion import Extras
from dmrnet.nn.layers.transformer import TransformerBlock
from dmrnet.nn.systems.tokens.tokens import TokenMixer


class ClassTokenTransformer(TokenMixer):
    """Transformer layers on a class token and the visible tokens; the class token is the output.

    Hidden tokens are left out of every attention, so that their values have no influence.

    Args:
        counts: Number of tokens of each modality.
        embed: Number of channels of a token, D.
        layers: Number of layers.
        heads: Number of heads of each attention.
        ratio: Number of hidden channels of the networks after attention, as a multiple of D.
        dropout: Dropout rate in the layers.
    """

    def __init__(
        self, counts: Sequence[int], embed: int, layers: int, heads: int, ratio: int, dropout: float
    ) -> None:
        super().__init__(counts, embed)
        self.channels = embed
        self.first = nn.Parameter(0.02 * torch.randn(embed))
        self.blocks = nn.ModuleList(
            TransformerBlock(embed, heads, ratio, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(embed)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Return the class token ``(N, D)`` after the last layer."""
        rows = tokens.shape[0]  # not `len`, which would fix the batch size of an export
        x = torch.cat([self.first.expand(rows, 1, -1), tokens + self.position], 1)
        shown = torch.cat([mask.new_ones((rows, 1)), self.visible(mask)], 1)
        *inner, last = self.blocks
        for block in inner:
            x = block(x, shown)
        # Only the class token of the last layer's output is read.
        return self.norm(last(x, shown, 1)[:, 0]), {}
