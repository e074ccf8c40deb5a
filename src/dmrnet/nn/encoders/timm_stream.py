"""Maps of a timm backbone at every level of the generic network, for dense prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import Modality, spread_rows, take_rows
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, check_divisible, feature_name
from dmrnet.nn.encoders.pixel_stream import LEVELS, STRIDE, PixelStream, level_widths
from dmrnet.nn.encoders.rows import encode_no_rows
from dmrnet.nn.encoders.timm_models import (
    PREFIX,
    channels_first,
    check_known,
    check_reads,
    create,
    returns_channels_last,
)
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.norm import safe_batch_norm, synchronises

ADVICE = (
    "dense prediction reads maps at 1/2 to 1/16 of images of any size; use another encoder, such "
    f"as {PREFIX}convnext_atto or {PREFIX}resnet18"
)
SIZES = ((3 * STRIDE, 4 * STRIDE), (6 * STRIDE, 5 * STRIDE))
"""Sizes of small images, odd and even multiples of 16, on which a backbone is tested."""


class TimmStream(MultiLevelEncoder):
    """The maps of a timm backbone, as a replacement of a `PixelStream`.

    At each level, 1/2 to 1/16 of the image, the backbone's deepest map of that size goes through a
    1x1 block. A level that the backbone lacks (usually 1/2) is computed as in `PixelStream`, from
    the level before or the image. Layers below 1/16 are removed.

    Args:
        modality: An image modality; the backbone is tested on small images with its channels.
        name: Name of a timm model, e.g. ``convnext_atto``.
        width: Number of channels of the deepest map.
        pretrained: Start from published weights; see `TimmEncoder`.

    Raises:
        ValueError: If timm has no such model, it has no maps of such sizes, or some of its
            weights reach none of them.
        FileNotFoundError: If published weights are not available.
    """

    stride = STRIDE

    def __init__(self, modality: Modality, name: str, width: int, pretrained: bool = False) -> None:
        super().__init__()
        if "@" in name:
            raise ValueError(
                f"expected timm:NAME without a map, got {PREFIX}{name}; dense prediction reads the "
                "maps of every level"
            )
        check_known(name)
        channels = modality.shape[0]
        options: dict[str, Any] = {"features_only": True, "in_chans": channels}
        info: Any = create(name, False, options, "maps of several sizes").feature_info
        # If several maps have the same reduction, the dict keeps the last and deepest.
        by_reduction = dict(zip(info.reduction(), info.out_indices, strict=True))
        indices = [by_reduction.get(2 << level) for level in range(LEVELS)]
        from_backbone = [index for index in indices if index is not None]
        if not from_backbone:
            raise ValueError(f"timm model {name} returns no map at 1/2 to 1/{STRIDE}; {ADVICE}")
        options["out_indices"] = tuple(from_backbone)
        self.backbone = safe_batch_norm(create(name, pretrained, options, "such maps"))
        self.channels_last = returns_channels_last(self.backbone)
        self.widths = level_widths(width)
        self.from_backbone = [index is not None for index in indices]
        counts = iter(self.backbone.feature_info.channels())  # type: ignore[operator, union-attr]
        self.levels = nn.ModuleList(
            conv_block(next(counts), after, 1) if has_map else PixelStream.level(before, after)
            for has_map, before, after in zip(
                self.from_backbone, (channels, *self.widths[:-1]), self.widths, strict=True
            )
        )
        for size in SIZES:
            check_reads(self, name, (channels, *size), ADVICE)
        self._check_reached(name, torch.zeros(1, channels, *SIZES[0]))

    def _check_reached(self, name: str, x: Tensor) -> None:
        """Refuse a backbone with parameters that no map depends on: they would stay untrained."""
        training = self.training
        named = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        with torch.enable_grad():
            total = torch.stack([level.sum() for level in self.eval().encode("", x).values()]).sum()
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            total, [p for _, p in named], allow_unused=True
        )
        self.train(training)
        unused = [n for (n, _), grad in zip(named, gradients, strict=True) if grad is None]
        if unused:
            raise ValueError(
                f"timm model {name} has weights that reach none of its maps at 1/2 to 1/{STRIDE} "
                f"({unused[0]}, {len(unused)} in all), so they would stay untrained; {ADVICE}"
            )

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Raise an error: a backbone cannot be split by level."""
        raise ValueError(
            "expected an encoder whose levels modalities can share, as this method does, got a "
            "timm backbone; leave encoder at auto, or use another method"
        )

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map of every level, as `MultiLevelEncoder.encode` does."""
        check_divisible(modality, x, STRIDE)
        height, width = x.shape[-2:]
        shapes = [(c, height >> k, width >> k) for k, c in enumerate(self.widths, 1)]
        if rows is None:
            maps = self._maps(x, shapes)
        elif len(rows) or synchronises(self):
            maps = self._maps(take_rows(x, rows), shapes)
        else:
            maps = [encode_no_rows(self, x, shape) for shape in shapes]
        if rows is not None:
            maps = [spread_rows(encoded, rows, x.shape[0]) for encoded in maps]
        return {feature_name(modality, level): encoded for level, encoded in enumerate(maps)}

    def _maps(self, x: Tensor, shapes: list[tuple[int, int, int]]) -> list[Tensor]:
        """Return the map of every level for all rows."""
        features, maps = iter(self.backbone(x)), []
        for level, has_map, shape in zip(self.levels, self.from_backbone, shapes, strict=True):
            x = level(channels_first(next(features), self.channels_last) if has_map else x)
            if tuple(x.shape[1:]) != shape:
                raise ValueError(f"expected a map of {shape}, got {tuple(x.shape[1:])}")
            maps.append(x)
        return maps
