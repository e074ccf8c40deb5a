"""Shared and specific features for dense prediction (ShaSpec): two streams a modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task, Where, take_rows
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, masked_all
from dmrnet.nn.networks.level_fusion import LevelConcat
from dmrnet.nn.networks.levels import Levels
from dmrnet.nn.systems.shaspec import (
    Impute,
    Residual,
    SharedSpecificFusion,
    shared_name,
    split_rows,
)


class SharedStreams(nn.Module):
    """One stream of all modalities, run once on all their rows together.

    If images differ in channels, each modality has its own first level; the following ones are
    shared. All rows go through together, so that in training batch norms see the mixture of
    modalities on which they are used at inference.
    """

    def __init__(self, task: Task, levels: Levels) -> None:
        super().__init__()
        self.modalities = task.modalities
        self.widths = levels.all_widths
        first, *others = (levels.streams[name].parts for name in task.modalities)
        alike = len({m.shape[0] for m in task.inputs}) == 1
        own = [first[0]] if alike else [parts[0] for parts in (first, *others)]
        self.own = nn.ModuleList(own)
        self.shared = nn.ModuleList(first[1:])

    def forward(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Encode each modality on the rows that `where` lists; other rows are zeros.

        Returns:
            Maps ``(B, C_k, H_k, W_k)`` with keys such as ``rgb.shared.2``.
        """
        parts = []
        for v, name in enumerate(self.modalities):
            x, rows = inputs[name], where[name]
            if len(self.own) > 1:
                height, width = x.shape[2] // 2, x.shape[3] // 2
                x = encode_rows(self.own[v], x, rows, (self.widths[0], height, width))
            parts.append(take_rows(x, rows))
        together = torch.cat(parts)
        if len(self.own) == 1:
            together = self.own[0](together)
        feats: dict[str, Tensor] = {}
        for level in range(len(self.shared) + 1):
            if level:
                together = self.shared[level - 1](together)
            for name, x in split_rows(together, inputs, where, self.modalities).items():
                feats[feature_name(shared_name(name), level)] = x
        return feats


class SharedLevelFusion(SharedSpecificFusion):
    """Combines both kinds of features at the deepest level; skips are of shared ones only.

    Missing shared maps are replaced at every level. As in the source, the decoder's skips are
    shared features; here they are concatenated and go through a 1x1 block.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        levels: Levels,
        residual: Residual = "shared",
        impute: Impute = "mean",
        one_projection: bool = True,
        kernel: int = 1,
    ) -> None:
        number, (*shallow, deepest) = len(modalities), levels.widths
        bottleneck = levels.build_bottleneck(number * deepest)
        rest = (residual, impute, one_projection, kernel)
        super().__init__(modalities, deepest, (1, 1), bottleneck, *rest)
        self.stride = levels.stride
        self.numbers = levels.numbers
        self.skips = nn.ModuleList(
            LevelConcat(number, before, after)
            for before, after in zip(shallow, levels.skip_widths, strict=True)
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep the fused levels."""
        shared = [feature_name(shared_name(n), k) for n in self.modalities for k in self.numbers]
        deepest = [feature_name(name, self.numbers[-1]) for name in self.modalities]
        return CachedFeatures({name: feats[name] for name in (*shared, *deepest)})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse shared and specific features under bool ``(B, V)``."""

        def filled(level: int) -> Tensor:
            names = (feature_name(shared_name(name), level) for name in self.modalities)
            return self.fill(torch.stack(masked_all(feats, names, mask), 1), mask)

        *shallow, deepest = self.numbers
        pairs = zip(self.skips, shallow, strict=True)
        skips = tuple(skip(filled(level), mask)[0] for skip, level in pairs)
        names = (feature_name(name, deepest) for name in self.modalities)
        specific = masked_all(feats, names, mask)
        return Fused(self.trunk(self.combine(filled(deepest), specific)), skips)
