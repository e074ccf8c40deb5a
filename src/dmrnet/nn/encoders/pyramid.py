"""Encoders from timm for every pixel: a backbone's maps at every level of the generic network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.modalities import Modality, spread_rows, take_rows
from dmrnet.nn.encoders.backbone import PREFIX, channels_last, check_known, create, try_on
from dmrnet.nn.layers.gather import ManyMaps, check_divides, feature_name, of_no_rows
from dmrnet.nn.layers.norm import safe_batch_norm, waits
from dmrnet.nn.networks.pixels import LEVELS, STRIDE, PixelStream, block, level_widths

ADVICE = (
    "where every pixel has a class, images of any size are read, at 1/2 to 1/16 of it; take "
    f"another encoder, such as {PREFIX}convnext_atto or {PREFIX}resnet18"
)
SIZES = ((3 * STRIDE, 4 * STRIDE), (6 * STRIDE, 5 * STRIDE))
"""Small images, odd and even of 1/16, on which a backbone is tried: whole images have any size."""


class TimmStream(ManyMaps):
    """The maps of a timm backbone, in the place of a `PixelStream`.

    At each level, 1/2 to 1/16 of the image, the backbone's deepest map of that size goes through a
    1x1 block. A level that the backbone lacks (most have none at 1/2) is made as `PixelStream`
    makes it, of the level before or of the image. What lies behind 1/16 is left out.

    Args:
        modality: An image; the backbone is tried on small ones with as many channels.
        name: As timm lists it, e.g. ``convnext_atto``.
        width: C of the deepest map.
        pretrained: Start from published weights; see `TimmEncoder`.

    Raises:
        ValueError: If timm has no such backbone, it gives no maps of such sizes, or it runs more
            than they are made of.
        FileNotFoundError: If published weights are asked for and cannot be had.
    """

    def __init__(self, modality: Modality, name: str, width: int, pretrained: bool = False) -> None:
        super().__init__()
        if "@" in name:
            raise ValueError(
                f"expected a timm model by its name alone, got {PREFIX}{name}: where every pixel "
                "has a class its maps at every level are taken"
            )
        check_known(name)
        channels = modality.shape[0]
        options: dict[str, Any] = {"features_only": True, "in_chans": channels}
        info: Any = create(name, False, options, "maps of several sizes").feature_info
        # Of maps of one size the deepest, which comes last.
        at = dict(zip(info.reduction(), info.out_indices, strict=True))
        found = [at.get(2 << level) for level in range(LEVELS)]
        given = [index for index in found if index is not None]
        if not given:
            raise ValueError(f"timm model {name} gives no map at 1/2 to 1/{STRIDE}; {ADVICE}")
        options["out_indices"] = tuple(given)
        self.backbone = safe_batch_norm(create(name, pretrained, options, "such maps"))
        self.last_channels = channels_last(self.backbone)
        self.widths = level_widths(width)
        self.given = [index is not None for index in found]
        of_maps = iter(self.backbone.feature_info.channels())  # type: ignore[operator, union-attr]
        self.levels = nn.ModuleList(
            block(next(of_maps), after, 1) if is_given else PixelStream.level(before, after)
            for is_given, before, after in zip(
                self.given, (channels, *self.widths[:-1]), self.widths, strict=True
            )
        )
        for size in SIZES:
            try_on(self, name, (channels, *size), ADVICE)
        self._check_reached(name, torch.zeros(1, channels, *SIZES[0]))

    def _check_reached(self, name: str, x: Tensor) -> None:
        """Refuse a backbone with parameters of which no map is made, which would go untrained."""
        training = self.training
        named = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        with torch.enable_grad():
            total = torch.stack([made.sum() for made in self.eval().encode("", x).values()]).sum()
        found: Sequence[Tensor | None] = torch.autograd.grad(
            total, [p for _, p in named], allow_unused=True
        )
        self.train(training)
        lost = [n for (n, _), grad in zip(named, found, strict=True) if grad is None]
        if lost:
            raise ValueError(
                f"timm model {name} has weights that reach none of its maps at 1/2 to 1/{STRIDE} "
                f"({lost[0]}, {len(lost)} in all), and would go untrained; {ADVICE}"
            )

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Refuse to be parted by level: a backbone is one piece."""
        raise ValueError(
            "a timm encoder cannot be shared level by level between modalities, as this method "
            "shares it; leave encoder at auto, or take another method"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as the deepest map alone; `encode` gives them all."""
        return self.encode("", x)[feature_name("", LEVELS - 1)]

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return every map, under flat names, as `PixelStream.encode` does."""
        check_divides(modality, x, STRIDE)
        height, width = x.shape[-2:]
        shapes = [(c, height >> k, width >> k) for k, c in enumerate(self.widths, 1)]
        if rows is None:
            maps = self._maps(x, shapes)
        elif len(rows) or waits(self):
            maps = self._maps(take_rows(x, rows), shapes)
        else:
            maps = [of_no_rows(self, x, shape) for shape in shapes]
        if rows is not None:
            maps = [spread_rows(some, rows, x.shape[0]) for some in maps]
        return {feature_name(modality, level): made for level, made in enumerate(maps)}

    def _maps(self, x: Tensor, shapes: list[tuple[int, int, int]]) -> list[Tensor]:
        """Return the map of every level, of every row."""
        given, maps = iter(self.backbone(x)), []
        for level, is_given, shape in zip(self.levels, self.given, shapes, strict=True):
            if is_given:
                x = next(given)
                x = x.permute(0, 3, 1, 2) if self.last_channels else x
            x = level(x)
            if tuple(x.shape[1:]) != shape:
                raise ValueError(f"expected a map of {shape}, got one of {tuple(x.shape[1:])}")
            maps.append(x)
        return maps


def build_stream(
    modality: Modality, width: int, encoder: str = "auto", pretrained: bool = False
) -> ManyMaps:
    """Return an encoder of an image for every pixel.

    Args:
        modality: What it reads.
        width: C of the deepest map.
        encoder: ``auto`` for the small one, or ``timm:NAME``.
        pretrained: Start a timm backbone from published weights.

    Raises:
        ValueError: If the encoder is unknown or does not fit.
        FileNotFoundError: If published weights cannot be had.
    """
    if encoder == "auto":
        return PixelStream(modality.shape[0], width)
    if encoder.startswith(PREFIX):
        return TimmStream(modality, encoder.removeprefix(PREFIX), width, pretrained)
    raise ValueError(
        f"modality {modality.name}: expected encoder auto or timm:NAME where every pixel has a "
        f"class, got {encoder!r}"
    )
