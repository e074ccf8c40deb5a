"""Transformers within a modality and between modalities (mmFormer)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities import CachedFeatures, Inputs
from dmrnet.nn.fusion import Extras, Fused, Fusion, masked
from dmrnet.nn.grid import shrink_to_grid, to_grid
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.networks.level_fusion import LevelMixing

Restore = Literal["sequence", "position", "packed"]
"""How V H W tokens become H W again: by a linear layer over the sequence; by one over the V tokens
of each position; or over V tokens that follow one another, as the released segmentation does."""

Hidden = Literal["tokens", "maps"]
"""What is zero of a hidden modality: its tokens between the transformers, or its map in front."""


class Attention(nn.Module):
    r"""Multi-head self-attention: ``softmax(q k^T / sqrt(D / heads)) v``, heads side by side.

    Args:
        channels: D, which `heads` must divide.
        heads: How many.
        dropout: Of the attention weights and of what comes out.
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

    def forward(self, tokens: Tensor, shown: Tensor | None = None) -> Tensor:
        """Attend over ``(B, T, D)``; keys where bool ``(B, T)`` is False are left out."""
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind()
        keys = None if shown is None else shown[:, None, None, :]
        p = self.dropout.p if self.dropout.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, keys, p)
        attended: Tensor = self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return attended


class TransformerBlock(nn.Module):
    """A transformer layer: attention and a two-layer network, each behind a norm and added.

    Args:
        channels: D.
        heads: Of the attention.
        ratio: Hidden channels of the network, in D.
        dropout: Everywhere.
    """

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

    def forward(self, tokens: Tensor, shown: Tensor | None = None) -> Tensor:
        """Map ``(B, T, D)`` to the same; see `Attention`."""
        tokens = tokens + self.attention(self.norm1(tokens), shown)
        result: Tensor = tokens + self.mlp(self.norm2(tokens))
        return result


def positions_at(position: Tensor, before: tuple[int, int], size: Sequence[int]) -> Tensor:
    """Return learnt positions of one grid on another, between which lines are drawn.

    Args:
        position: ``(1, n H W, D)`` for n modalities.
        before: H x W.
        size: Of the other grid, h x w.

    Returns:
        ``(1, n h w, D)``.
    """
    if tuple(size) == before:
        return position
    planes = position.unflatten(1, (-1, *before))[0].permute(0, 3, 1, 2)
    there = F.interpolate(planes, size=tuple(size), mode="bilinear", align_corners=False)
    return there.permute(0, 2, 3, 1).flatten(0, 2)[None]


class IntraTransformer(nn.Module):
    """A modality's map as tokens, with learnt positions, and a transformer among them.

    Args:
        channels: C of the map.
        embed: D.
        grid: H x W tokens.
        heads: Of the attention.
        ratio: Of the network behind it.
        dropout: In the transformer.
        position_dropout: Of the tokens with their positions.
    """

    def __init__(
        self,
        channels: int,
        embed: int,
        grid: tuple[int, int],
        heads: int,
        ratio: int,
        dropout: float,
        position_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.grid = grid
        kernel = 1 if grid == (1, 1) else 3
        self.embed = nn.Sequential(
            BatchNorm(channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, embed, kernel, padding=kernel // 2),
        )
        self.position = nn.Parameter(torch.zeros(1, grid[0] * grid[1], embed))
        self.dropout = nn.Dropout(position_dropout)
        self.block = TransformerBlock(embed, heads, ratio, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, D, H, W)``, on whatever grid."""
        size = x.shape[2:]
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        position = positions_at(self.position, self.grid, size)
        tokens = self.block(self.dropout(tokens + position))
        attended: Tensor = tokens.transpose(1, 2).unflatten(2, size)
        return attended


class IntraEncoder(nn.Module):
    """An encoder, and a transformer among the positions of its map.

    The tokens' map stands in front and the encoder's own behind it, so that a term may read both.

    Args:
        encoder: From ``(b, *shape)`` to a map.
        intra: Of that map.
    """

    def __init__(self, encoder: nn.Module, intra: IntraTransformer) -> None:
        super().__init__()
        self.encoder = encoder
        self.intra = intra

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, *shape)`` as ``(B, D + C, H, W)``."""
        own = to_grid(self.encoder(x), self.intra.grid)
        return torch.cat([self.intra(own), own], 1)


class InterFusion(Fusion):
    """All modalities' tokens in one sequence, a transformer among them, and back to one map.

    Tokens stand by modality and then by position: token ``v H W + y W + x``. Those of a hidden
    modality are zeros and, as released, still take part (with their position); with `key_mask`
    nothing attends to them.

    Args:
        modalities: In the order of mask columns.
        embed: D.
        grid: H x W.
        heads: Of the attention.
        ratio: Of the network behind it.
        dropout: In the transformer.
        key_mask: Leave hidden tokens out of the attention.
        restore: How H W tokens are made of V H W; see `Restore`.
        position_dropout: Of the tokens with their positions.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        embed: int,
        grid: tuple[int, int],
        heads: int,
        ratio: int,
        dropout: float,
        key_mask: bool = False,
        restore: Restore = "sequence",
        position_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.embed = embed
        self.grid = grid
        self.key_mask = key_mask
        positions = grid[0] * grid[1]
        total = len(self.modalities) * positions
        self.position = nn.Parameter(torch.zeros(1, total, embed))
        self.dropout = nn.Dropout(position_dropout)
        self.block = TransformerBlock(embed, heads, ratio, dropout)
        if restore not in ("sequence", "position", "packed"):
            raise ValueError(f"expected restore as sequence, position or packed, got {restore!r}")
        self.restore = restore
        by_sequence = restore == "sequence"
        self.gather = (
            nn.Linear(total, positions)
            if by_sequence
            else nn.Linear(len(self.modalities) * embed, embed)
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the tokens, without the encoders' own maps."""
        return CachedFeatures({name: f[:, : self.embed] for name, f in feats.items()})

    def tokens(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return ``(B, V H W, D)``, zeros where hidden."""
        columns = zip(self.modalities, mask.unbind(1), strict=True)
        maps = [masked(feats[name][:, : self.embed], column) for name, column in columns]
        return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse ``(B, D + ..., H, W)`` each under bool ``(B, V)`` into ``(B, D, H, W)``.

        Another grid than the one that was trained on has positions of its own in between, but no
        linear layer over its sequence.
        """
        tokens = self.tokens(feats, mask)
        positions = tokens.shape[1] // len(self.modalities)
        size = self.grid
        if positions != size[0] * size[1]:
            size = next(iter(feats.values())).shape[2:]  # type: ignore[assignment]
        shown = mask.repeat_interleave(positions, 1) if self.key_mask else None
        tokens = self.dropout(tokens + positions_at(self.position, self.grid, size))
        return Fused(self.regroup(self.block(tokens, shown)).unflatten(2, size))

    def regroup(self, tokens: Tensor) -> Tensor:
        """Make ``(B, D, H W)`` of ``(B, V H W, D)``; see `Restore`."""
        positions = tokens.shape[1] // len(self.modalities)
        if self.restore == "sequence":
            gathered: Tensor = self.gather(tokens.transpose(1, 2))
            return gathered
        if self.restore == "position":
            tokens = tokens.unflatten(1, (len(self.modalities), positions)).transpose(1, 2)
        # Packed: row q holds tokens q V to q V + V - 1, neighbours of one modality by and large.
        side_by_side = tokens.reshape(tokens.shape[0], positions, -1)
        restored: Tensor = self.gather(side_by_side)
        return restored.transpose(1, 2)


class MapsInterFusion(InterFusion):
    """The same where a hidden modality's map is zero, before the transformer of its own.

    As in the released adaptation: the batch norm in front of the tokens sees the zeros, and a
    hidden modality's tokens are what its transformer makes of them.

    Args:
        intra: One a modality.
        modalities: See `InterFusion`, and what follows as well.
        rest: See `InterFusion`.
        more: See `InterFusion`.
    """

    def __init__(
        self,
        intra: Mapping[str, IntraTransformer],
        modalities: Sequence[str],
        *rest: Any,  # noqa: ANN401
        **more: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(modalities, *rest, **more)
        # A list, since a module's name may not hold a dot and a modality's may.
        self.intra = nn.ModuleList(intra[name] for name in self.modalities)

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grid."""
        return CachedFeatures({name: shrink_to_grid(f, self.grid) for name, f in feats.items()})

    def tokens(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return ``(B, V H W, D)``, made of zeros where hidden."""
        made = []
        for name, intra, column in zip(self.modalities, self.intra, mask.unbind(1), strict=True):
            own = intra(to_grid(masked(feats[name], column), self.grid))
            made.append(own.flatten(2).transpose(1, 2))
        return torch.cat(made, 1)


class LevelTransformers(LevelMixing):
    """The deepest level of a network for every pixel, whose maps meet in both transformers.

    Args:
        modalities: In the order of mask columns.
        channels: C of every map, and of what comes of it, by a 1x1 block.
        embed: D.
        grid: H x W of the maps.
        heads: Of each attention.
        ratio: Of the networks behind them.
        dropout: In the transformers.
        key_mask: See `InterFusion`.
        restore: See `Restore`.
        position_dropout: Of tokens with their positions.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        channels: int,
        embed: int,
        grid: tuple[int, int],
        heads: int,
        ratio: int,
        dropout: float,
        key_mask: bool = False,
        restore: Restore = "sequence",
        position_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.modalities = tuple(modalities)
        rest = (heads, ratio, dropout)
        self.intra = nn.ModuleList(
            IntraTransformer(channels, embed, grid, *rest, position_dropout)
            for _ in self.modalities
        )
        self.inter = InterFusion(
            self.modalities, embed, grid, *rest, key_mask, restore, position_dropout
        )
        self.restore = conv_block(embed, channels, 1)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse ``(B, V, C, H, W)``; the extra ``deepest`` holds each modality's map."""
        own = maps.unbind(1)
        tokens = {
            name: intra(x) for name, intra, x in zip(self.modalities, self.intra, own, strict=True)
        }
        return self.restore(self.inter(tokens, mask).map), {"deepest": own}
