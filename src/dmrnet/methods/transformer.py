"""transformer: attention over one token, or a few, of each visible modality.

``t_v = P_v f_v + e_v``, a class token and the tokens of the visible modalities go through a small
transformer; hidden tokens are left out of attention. A linear layer classifies the class token.

This is the plain comparator of "Fusion or Confusion?" (Rheude et al., arXiv 2512.22991), there
called SimBaMM: over nine data sets, none of 19 more complex methods was reliably better. Only its
abstract and summaries of it were read, so that layers, heads, dropout and e_v are ours, and there
is no recipe ``paper``.

By default each modality has one token, its pooled features; with `tokens` more, each position of
its map is one, or each part of a larger map. There is no trunk, so that for classes the network's
settings of trunk and grid are not read. The dense form is ours: at every position of the
deepest maps a class token attends over the visible modalities there, in place of the concatenation
of the generic network or ESANet; other levels are concatenated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.systems.tokens.tokens import TokenMixer


@dataclass(frozen=True)
class TransformerSettings(SFMDSettings):
    """Settings of ``transformer``.

    Attributes:
        tokens: Largest number of tokens of a modality: 1 for its pooled features; with more, each
            position of its map is a token, after pooling if the map is larger.
        embed: Number of channels of a token; by default the smallest of the encoders' maps.
        layers: Number of transformer layers.
        heads: Number of attention heads, which must divide the channels of a token.
        ratio: Hidden channels of a layer's feed-forward network, as a multiple of a token's.
        attention_dropout: Dropout in the transformer.
    """

    name: ClassVar[str] = "transformer"
    summary: ClassVar[str] = "attention over the visible modalities' tokens (after SimBaMM, 2025)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    tokens: int = 1
    embed: int | None = None
    layers: int = 1
    heads: int = 4
    ratio: int = 2
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("tokens", "embed", "layers", "heads", "ratio"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} of 1 or more, got {value}")

    def mixer(self, counts: Sequence[int], embed: int) -> TokenMixer:
        """Return the network that reads the tokens.

        Args:
            counts: Number of tokens of each modality.
            embed: Number of channels of a token.
        """
        from dmrnet.nn.systems.tokens.transformer import ClassTokenTransformer

        return ClassTokenTransformer(
            counts, embed, self.layers, self.heads, self.ratio, self.attention_dropout
        )

    def parts(self, task: Task) -> NetworkParts:
        """Return the network's encoders, with tokens and their mixer in place of its fusion."""
        from dmrnet.nn.systems.tokens.network import build_token_network

        return build_token_network(
            self.network, task, self.name, self.tokens, self.embed, self.mixer
        )
