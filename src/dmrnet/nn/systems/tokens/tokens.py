"""One or several tokens for each modality, and a network that reads them under a mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isqrt

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs
from dmrnet.nn.fusion import Extras, Fused, Fusion, masked_all
from dmrnet.nn.grid import shrink_to_grid, to_grid
from dmrnet.nn.networks.level_fusion import LevelMixing


def token_grid(shape: Sequence[int], most: int) -> tuple[int, int]:
    """Return the grid of a modality's tokens: its map's own, or a smaller one of up to `most`.

    Args:
        shape: Shape ``(C, H, W)`` of the map.
        most: Largest number of tokens.

    >>> token_grid((64, 7, 7), 1), token_grid((64, 7, 7), 16), token_grid((64, 3, 5), 16)
    ((1, 1), (4, 4), (3, 5))
    >>> token_grid((64, 1, 40), 16), token_grid((64, 1, 1), 16), token_grid((64, 2, 40), 16)
    ((1, 16), (1, 1), (2, 8))
    """
    _, height, width = shape
    if height * width <= most:
        return height, width
    rows = min(height, max(isqrt(most), most // width))
    return rows, min(width, most // rows)


class TokenMixer(nn.Module):
    """Base class of networks that read the tokens of all modalities; a subclass defines `forward`.

    Args:
        counts: Number of tokens of each modality.
        embed: Number of channels of a token, D.

    Attributes:
        channels: Number of channels of the output.
        position: Learned vectors e that are added to tokens, ``(T, D)``, a different one for each
            modality and position.
    """

    channels: int
    owner: Tensor

    def __init__(self, counts: Sequence[int], embed: int) -> None:
        super().__init__()
        self.counts = tuple(counts)
        self.position = nn.Parameter(0.02 * torch.randn(sum(counts), embed))
        owner = torch.arange(len(counts)).repeat_interleave(torch.tensor(self.counts))
        self.register_buffer("owner", owner, persistent=False)

    def visible(self, mask: Tensor) -> Tensor:
        """Return which tokens a mask shows, bool ``(N, T)``, from bool ``(N, V)``."""
        return mask[:, self.owner]

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Mix tokens ``(N, T, D)``, ordered by modality, under bool ``(N, V)``.

        Tokens of hidden modalities hold projected zeros, and must not change the result.

        Returns:
            Vectors ``(N, channels)``, and tensors ``(N, ...)`` that terms of the loss read.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")


BuildMixer = Callable[[Sequence[int], int], TokenMixer]
"""Function that builds a network from the number of tokens of each modality and of channels."""


class TokenFusion(Fusion):
    """Projects each modality's map to tokens, ``P_v f_v``, and mixes them to a vector.

    Args:
        shapes: Shape ``(C, H, W)`` of each modality's map, in the model's order.
        embed: Number of channels of a token, D.
        most: Largest number of tokens of a modality; larger maps are average-pooled.
        build: Builds the network that reads the tokens.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int, int]],
        embed: int,
        most: int,
        build: BuildMixer,
    ) -> None:
        super().__init__()
        self.modalities = tuple(shapes)
        self.grids = {name: token_grid(shape, most) for name, shape in shapes.items()}
        # A list, since names of modules cannot have dots and names of modalities can.
        self.project = nn.ModuleList(nn.Linear(shape[0], embed) for shape in shapes.values())
        self.mixer = build([height * width for height, width in self.grids.values()], embed)

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Shrink larger maps to the grids of tokens."""
        return CachedFeatures({n: shrink_to_grid(f, self.grids[n]) for n, f in feats.items()})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse maps ``(B, C_v, H_v, W_v)`` under bool ``(B, V)`` into ``(B, channels, 1, 1)``."""
        maps = masked_all(feats, self.modalities, mask)
        tokens = [
            project(to_grid(x, grid).flatten(2).transpose(1, 2))
            for project, x, grid in zip(self.project, maps, self.grids.values(), strict=True)
        ]
        mixed, extras = self.mixer(torch.cat(tokens, 1), mask)
        return Fused(mixed[:, :, None, None], (), extras)


class LevelTokens(LevelMixing):
    """The same at each position of one level's maps, of which each modality gives one token."""

    def __init__(self, modalities: int, before: int, embed: int, build: BuildMixer) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(before, embed) for _ in range(modalities))
        self.mixer = build([1] * modalities, embed)
        self.channels = self.mixer.channels

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Extras]:
        """Fuse ``(B, V, C, H, W)``, or of volumes; extras are ``(B, H W T, ...)``."""
        rows, size = maps.shape[0], maps.shape[3:]
        own = maps.transpose(0, 1).movedim(2, -1).flatten(1, -2)  # (V, B H W, C)
        pairs = zip(self.project, own, strict=True)
        tokens = torch.stack([project(x) for project, x in pairs], 1)
        mixed, extras = self.mixer(tokens, mask.repeat_interleave(size.numel(), 0))
        fused = mixed.unflatten(0, (rows, *size)).movedim(-1, 1)
        by_image = {
            name: tuple(x.unflatten(0, (rows, -1)).flatten(1, 2) for x in tensors)
            for name, tensors in extras.items()
        }
        return fused, by_image
