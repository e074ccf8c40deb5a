"""Shared and specific features for dense prediction (ShaSpec): two streams per modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task, Where, spread_rows, take_rows
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.rows import encode_compact
from dmrnet.nn.fusion import Fused, masked_all, over_maps
from dmrnet.nn.networks.level_fusion import LevelConcat
from dmrnet.nn.networks.levels import Levels
from dmrnet.nn.systems.shaspec import (
    Impute,
    Residual,
    SharedSpecificFusion,
    blank_name,
    shared_name,
)

Skips = Literal["filled", "blank"]
"""Skips of a hidden modality: its shared features, or those of a zero image."""


class SharedStreams(nn.Module):
    """One stream of all modalities, run once on all their rows together.

    If images differ in channels, each modality has its own first level; the following ones are
    shared. All rows go through together, so that in training batch norms see the mixture of
    modalities on which they are used at inference.

    Args:
        task: Task with its modalities.
        levels: Parts of the network, whose streams are taken.
        blanks: Whether a zero image of each modality is encoded with them.
    """

    def __init__(self, task: Task, levels: Levels, blanks: bool = False) -> None:
        super().__init__()
        self.blanks = blanks
        self.modalities = task.modalities
        self.widths = levels.all_widths
        self.first_size = levels.streams[task.modalities[0]].size_after
        first, *others = (levels.streams[name].parts for name in task.modalities)
        alike = len({m.shape[0] for m in task.inputs}) == 1
        own = [first[0]] if alike else [parts[0] for parts in (first, *others)]
        self.own = nn.ModuleList(own)
        self.shared = nn.ModuleList(first[1:])

    def forward(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Encode each modality on the rows that `where` lists; other rows are zeros.

        Returns:
            Maps ``(B, C_k, H_k, W_k)`` with keys such as ``rgb.shared.2``, and ``rgb.blank.2`` for
            zero images.
        """
        parts = []
        for v, name in enumerate(self.modalities):
            x, rows = inputs[name], where[name]
            if self.blanks:
                x, rows = torch.cat([take_rows(x, rows), x.new_zeros(1, *x.shape[1:])]), None
            if len(self.own) > 1:
                shape = (self.widths[0], *self.first_size(0, x.shape[2:]))
                parts.append(encode_compact(self.own[v], x, rows, shape))
            else:
                parts.append(take_rows(x, rows))
        together, sizes = torch.cat(parts), [x.shape[0] for x in parts]
        if len(self.own) == 1:
            together = self.own[0](together)
        feats: dict[str, Tensor] = {}
        for level in range(len(self.shared) + 1):
            if level:
                together = self.shared[level - 1](together)
            for name, x in zip(self.modalities, together.split(sizes), strict=True):
                rows, batch = where[name], inputs[name].shape[0]
                if self.blanks:
                    x, blank = x[:-1], x[-1:]
                    key = feature_name(blank_name(name), level)
                    feats[key] = blank.expand(batch, *blank.shape[1:])
                key = feature_name(shared_name(name), level)
                feats[key] = x if rows is None else spread_rows(x, rows, batch)
        return feats


class SharedLevelFusion(SharedSpecificFusion):
    """Combines both kinds of features at the deepest level; skips are of shared ones only.

    As in the source, the decoder's skips are shared features; here they are concatenated and go
    through a 1x1 block. A hidden modality's skips are replaced as its deepest map is, or by those
    of a zero image (`skips`). See `SharedSpecificFusion` for the other arguments.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        levels: Levels,
        residual: Residual = "shared",
        impute: Impute = "mean",
        one_projection: bool = True,
        kernel: int = 1,
        project_missing: bool = False,
        skips: Skips = "filled",
    ) -> None:
        if skips not in ("filled", "blank"):
            raise ValueError(f"expected skips as filled or blank, got {skips!r}")
        number, (*shallow, deepest) = len(modalities), levels.widths
        bottleneck = levels.build_bottleneck(number * deepest)
        rest = (residual, impute, one_projection, kernel, project_missing, levels.axes)
        super().__init__(modalities, deepest, (1, 1), bottleneck, *rest)
        self.stride = levels.stride
        self.numbers = levels.numbers
        self.blank = skips == "blank"
        self.skips = nn.ModuleList(
            LevelConcat(number, before, after, levels.axes)
            for before, after in zip(shallow, levels.skip_widths, strict=True)
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the fused levels."""
        shared = [feature_name(shared_name(n), k) for n in self.modalities for k in self.numbers]
        deepest = [feature_name(name, self.numbers[-1]) for name in self.modalities]
        blank = [feature_name(blank_name(n), k) for n in self.modalities for k in self.numbers[:-1]]
        names = (*shared, *deepest, *(blank if self.blank else ()))
        return CachedFeatures({name: feats[name] for name in names})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse shared and specific features under bool ``(B, V)``."""

        def shared(level: int) -> Tensor:
            names = (feature_name(shared_name(name), level) for name in self.modalities)
            return torch.stack(masked_all(feats, names, mask), 1)

        def replaced(level: int) -> Tensor:
            if not self.blank:
                return self.fill(shared(level), mask)
            names = (feature_name(blank_name(name), level) for name in self.modalities)
            blank = torch.stack([feats[name] for name in names], 1)
            return torch.where(over_maps(mask, blank), shared(level), blank)

        *shallow, deepest = self.numbers
        pairs = zip(self.skips, shallow, strict=True)
        skips = tuple(skip(replaced(level), mask)[0] for skip, level in pairs)
        names = (feature_name(name, deepest) for name in self.modalities)
        specific = masked_all(feats, names, mask)
        filled = self.fill(shared(deepest), mask)
        return Fused(self.trunk(self.combine(filled, specific, mask)), skips)
