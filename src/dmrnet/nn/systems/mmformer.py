"""Transformers within a modality and between modalities (mmFormer)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities import CachedFeatures, Inputs
from dmrnet.nn.fusion import Extras, Fused, Fusion, masked_all
from dmrnet.nn.grid import cached_on_grid, to_grid
from dmrnet.nn.layers.conv_block import conv_block, convolution
from dmrnet.nn.layers.instance_norm import InstanceNorm
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.layers.transformer import GELU, TransformerBlock
from dmrnet.nn.networks.level_fusion import LevelMixing

Restore = Literal["sequence", "position", "packed"]
"""How V H W tokens become H W tokens: by a linear layer over the sequence; by one over the V tokens
of each position; or by one over V consecutive tokens, as in the released segmentation code."""

Embedding = Literal["block", "conv"]
"""Layers from a map to tokens: batch norm, LeakyReLU and a 3x3 convolution, as in the released
adaptation; or a 1x1 convolution, as in the released segmentation code."""


@dataclass(frozen=True)
class TransformerOptions:
    """Options of both kinds of transformers.

    Attributes:
        heads: Number of heads of each attention.
        ratio: Number of hidden channels of the networks after attention, as a multiple of D.
        dropout: Dropout rate in the transformers.
        position_dropout: Dropout rate of tokens with their positions.
        key_mask: Whether hidden tokens are left out of the attention.
        restore: How tokens of all modalities become those of one map.
        embedding: Layers before the tokens.
        gelu: Nonlinearity of the networks after attention.
    """

    heads: int
    ratio: int
    dropout: float
    position_dropout: float = 0.0
    key_mask: bool = False
    restore: Restore = "sequence"
    embedding: Embedding = "block"
    gelu: GELU = "exact"

    def __post_init__(self) -> None:
        if self.embedding not in ("block", "conv"):
            raise ValueError(f"expected embedding as block or conv, got {self.embedding!r}")
        if self.gelu not in ("exact", "tanh"):
            raise ValueError(f"expected gelu as exact or tanh, got {self.gelu!r}")
        if self.restore not in ("sequence", "position", "packed"):
            raise ValueError(
                f"expected restore as sequence, position or packed, got {self.restore!r}"
            )

    def block(self, embed: int) -> TransformerBlock:
        """Return a transformer layer on tokens of `embed` channels.

        In both sources what comes out of attention has dropout twice, which is distributed as once
        at the rate ``1 - (1 - p)^2``.
        """
        twice = 1 - (1 - self.dropout) ** 2
        return TransformerBlock(embed, self.heads, self.ratio, self.dropout, self.gelu, twice)


def resized_positions(position: Tensor, before: Sequence[int], size: Sequence[int]) -> Tensor:
    """Interpolate positions ``(1, n H W, D)`` of n modalities linearly: ``(1, n h w, D)``."""
    if tuple(size) == tuple(before):
        return position
    maps = position.unflatten(1, (-1, *before))[0].movedim(-1, 1)
    mode = "bilinear" if len(before) == 2 else "trilinear"
    resized = F.interpolate(maps, size=tuple(size), mode=mode, align_corners=False)
    return resized.movedim(1, -1).flatten(0, -2)[None]


def to_tokens(x: Tensor) -> Tensor:
    """Return a map ``(B, C, H, W)`` as tokens ``(B, H W, C)``."""
    return x.flatten(2).transpose(1, 2)


class IntraTransformer(nn.Module):
    """A transformer on a modality's map, as tokens of `embed` channels with learned positions."""

    def __init__(
        self, channels: int, embed: int, grid: tuple[int, ...], options: TransformerOptions
    ) -> None:
        super().__init__()
        self.grid = grid
        block = options.embedding == "block"
        kernel = 3 if block and math.prod(grid) > 1 else 1
        norm = BatchNorm if len(grid) == 2 else InstanceNorm
        before = (norm(channels), nn.LeakyReLU()) if block else ()
        self.embed = nn.Sequential(*before, convolution(len(grid), channels, embed, kernel))
        self.position = nn.Parameter(torch.zeros(1, math.prod(grid), embed))
        self.dropout = nn.Dropout(options.position_dropout)
        self.block = options.block(embed)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, on any grid, to ``(B, D, H, W)``."""
        size = x.shape[2:]
        position = resized_positions(self.position, self.grid, size)
        tokens = self.block(self.dropout(to_tokens(self.embed(x)) + position))
        attended: Tensor = tokens.transpose(1, 2).unflatten(2, size)
        return attended


class IntraEncoder(nn.Module):
    """An encoder and a transformer on its map.

    The output is the transformer's map followed by the encoder's, so that terms can read both.
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
    """A transformer on the tokens of all modalities, which then become one map.

    Tokens are ordered by modality, then by position: ``v H W + y W + x``. Tokens of a hidden
    modality are zeros and, as released, take part with their positions, unless masked as keys.

    Args:
        modalities: Names in the order of mask columns.
        embed: Number of channels of a token, D.
        grid: Size of the maps, H x W.
        options: Options of the transformer.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        embed: int,
        grid: tuple[int, ...],
        options: TransformerOptions,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.embed = embed
        self.grid = grid
        self.key_mask, self.restore = options.key_mask, options.restore
        number, positions = len(self.modalities), math.prod(grid)
        self.position = nn.Parameter(torch.zeros(1, number * positions, embed))
        self.dropout = nn.Dropout(options.position_dropout)
        self.block = options.block(embed)
        self.gather = (
            nn.Linear(number * positions, positions)
            if self.restore == "sequence"
            else nn.Linear(number * embed, embed)
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the tokens, without the encoders' own maps."""
        return CachedFeatures({name: f[:, : self.embed] for name, f in feats.items()})

    def tokens(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return all tokens ``(B, V H W, D)``, zeros where hidden."""
        maps = masked_all(feats, self.modalities, mask)
        return torch.cat([to_tokens(x[:, : self.embed]) for x in maps], 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse ``(B, D + ..., H, W)`` under bool ``(B, V)`` into ``(B, D, H, W)``.

        Maps may have another grid than in training, with interpolated positions, unless a linear
        layer over the sequence restores them.
        """
        tokens = self.tokens(feats, mask)
        positions = tokens.shape[1] // len(self.modalities)
        size = self.grid
        if positions != math.prod(size):
            size = tuple(next(iter(feats.values())).shape[2:])
        shown = mask.repeat_interleave(positions, 1) if self.key_mask else None
        tokens = self.dropout(tokens + resized_positions(self.position, self.grid, size))
        return Fused(self.regroup(self.block(tokens, shown)).unflatten(2, size))

    def regroup(self, tokens: Tensor) -> Tensor:
        """Return ``(B, D, H W)`` from tokens ``(B, V H W, D)``; see `Restore`."""
        positions = tokens.shape[1] // len(self.modalities)
        if self.restore == "sequence":
            gathered: Tensor = self.gather(tokens.transpose(1, 2))
            return gathered
        if self.restore == "position":
            tokens = tokens.unflatten(1, (len(self.modalities), positions)).transpose(1, 2)
        # Packed: row q holds tokens q V to q V + V - 1, mostly neighbours of one modality.
        restored: Tensor = self.gather(tokens.reshape(tokens.shape[0], positions, -1))
        return restored.transpose(1, 2)


class MapsInterFusion(InterFusion):
    """An `InterFusion` that masks maps before each modality's transformer, and not tokens.

    As in the released adaptation: the batch norm before the tokens sees zeros, and a hidden
    modality's tokens are its transformer's output for them.
    """

    def __init__(
        self,
        intra: Mapping[str, IntraTransformer],
        modalities: Sequence[str],
        embed: int,
        grid: tuple[int, int],
        options: TransformerOptions,
    ) -> None:
        super().__init__(modalities, embed, grid, options)
        # A list, since names of modules cannot have dots and names of modalities can.
        self.intra = nn.ModuleList(intra[name] for name in self.modalities)

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grid."""
        return cached_on_grid(feats, self.grid)

    def tokens(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return all tokens ``(B, V H W, D)``, computed from zeros where hidden."""
        maps = masked_all(feats, self.modalities, mask)
        pairs = zip(self.intra, maps, strict=True)
        return torch.cat([to_tokens(intra(to_grid(x, self.grid))) for intra, x in pairs], 1)


class LevelTransformers(LevelMixing):
    """Both kinds of transformers on the deepest maps; a 1x1 block restores their channels."""

    def __init__(
        self,
        modalities: Sequence[str],
        channels: int,
        embed: int,
        grid: tuple[int, ...],
        options: TransformerOptions,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.modalities = tuple(modalities)
        self.intra = nn.ModuleList(
            IntraTransformer(channels, embed, grid, options) for _ in self.modalities
        )
        self.inter = InterFusion(self.modalities, embed, grid, options)
        self.restore = conv_block(embed, channels, 1, axes=len(grid))

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse ``(B, V, C, H, W)``."""
        pairs = zip(self.modalities, self.intra, maps.unbind(1), strict=True)
        tokens = {name: intra(x) for name, intra, x in pairs}
        return self.restore(self.inter(tokens, mask).map), {}
