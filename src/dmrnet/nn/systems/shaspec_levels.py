"""Shared and specific features for every pixel (ShaSpec): two streams a modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import CachedFeatures, Inputs, Task, Where, spread_rows, take_rows
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, masked
from dmrnet.nn.networks.level_fusion import LevelConcat
from dmrnet.nn.networks.levels import Levels
from dmrnet.nn.systems.shaspec import Impute, Residual, SharedSpecificFusion, shared_name


class SharedStreams(nn.Module):
    """One stream for all modalities, run once on all their rows together.

    Where images differ in channels, each modality has a first level of its own, since no
    convolution reads both; what follows is shared. Rows of all modalities go through together, so
    that batch norms see in training the mixture that they are used on at inference.

    Args:
        task: Its modalities.
        levels: Of the family; its streams become this module's parts.
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
        """Encode each modality on the rows that `where` names; zeros elsewhere.

        Returns:
            ``(B, C_k, H_k, W_k)`` under names such as ``rgb.shared.2``.
        """
        parts = []
        for v, name in enumerate(self.modalities):
            x, rows = inputs[name], where[name]
            if len(self.own) > 1:
                height, width = x.shape[2] // 2, x.shape[3] // 2
                x = encode_rows(self.own[v], x, rows, (self.widths[0], height, width))
            parts.append(x if rows is None else take_rows(x, rows))
        sizes = [some.shape[0] for some in parts]
        together = torch.cat(parts)
        if len(self.own) == 1:
            together = self.own[0](together)
        feats = self._apart(0, together, sizes, inputs, where)
        for level, part in enumerate(self.shared, 1):
            together = part(together)
            feats |= self._apart(level, together, sizes, inputs, where)
        return feats

    def _apart(
        self, level: int, together: Tensor, sizes: list[int], inputs: Inputs, where: Where
    ) -> dict[str, Tensor]:
        feats = {}
        for name, some in zip(self.modalities, together.split(sizes), strict=True):
            if (rows := where[name]) is not None:
                some = spread_rows(some, rows, inputs[name].shape[0])
            feats[feature_name(shared_name(name), level)] = some
        return feats


class SharedLevelFusion(SharedSpecificFusion):
    """Both kinds of deepest features in one map; skips are made of the shared ones alone.

    At every level a missing shared map is made from those that are there. As in the source the
    decoder's skips read shared features, here side by side through a 1x1 block.

    Args:
        modalities: In the order of mask columns.
        levels: Of the family.
        residual: See `SharedSpecificFusion`.
        impute: See `Impute`.
        one_projection: See `SharedSpecificFusion`.
        kernel: See `SharedSpecificFusion`.

    Attributes:
        stride: What must divide an image's height and width.
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
        many, channels = len(modalities), levels.widths[-1]
        deep = levels.build_bottleneck(many * channels)
        rest = (residual, impute, one_projection, kernel)
        super().__init__(modalities, channels, (1, 1), deep, *rest)
        self.stride = levels.stride
        self.numbers = levels.numbers
        self.skips = nn.ModuleList(
            LevelConcat(many, c, wanted)
            for c, wanted in zip(levels.widths, levels.skip_widths, strict=False)
        )

    def prepare(self, feats: Inputs) -> CachedFeatures:
        """Keep what is fused."""
        shared = [feature_name(shared_name(n), k) for n in self.modalities for k in self.numbers]
        deepest = [feature_name(name, self.numbers[-1]) for name in self.modalities]
        return CachedFeatures({name: feats[name] for name in (*shared, *deepest)})

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Fuse shared and specific features under bool ``(B, V)``."""
        columns = mask.unbind(1)

        def filled(level: int) -> Tensor:
            maps = [
                masked(feats[feature_name(shared_name(name), level)], column)
                for name, column in zip(self.modalities, columns, strict=True)
            ]
            return self.fill(torch.stack(maps, 1), mask)

        *shallow, deepest = self.numbers
        skips = tuple(
            skip(filled(level), mask)[0] for skip, level in zip(self.skips, shallow, strict=True)
        )
        specific = [
            masked(feats[feature_name(name, deepest)], column)
            for name, column in zip(self.modalities, columns, strict=True)
        ]
        return Fused(self.trunk(self.composed(filled(deepest), specific)), skips)
