"""One map from any timm backbone, for any number of channels and image size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dmrnet.nn.encoders.timm_models import (
    PREFIX,
    channels_first,
    check_known,
    check_reads,
    create,
    returns_channels_last,
)
from dmrnet.nn.layers.norm import safe_batch_norm


class TimmEncoder(nn.Module):
    """A timm backbone without pooling and classifier, or up to one of its inner maps.

    Batch norms accept a single value per channel. Transformers return their patch tokens at the
    patches' positions, without the class token. Networks with a fixed input size are built for the
    size of the images.

    Args:
        name: Name of a timm model, e.g. ``convnext_atto``. ``convnext_atto@1`` selects the second
            inner map, counted from 0 at the input; later layers are removed.
        shape: Shape ``(C, H, W)`` of one image.
        pretrained: Start from published weights (from timm's cache or the network). Timm adapts the
            weights of an RGB stem to other numbers of channels.

    Raises:
        ValueError: If timm has no such model or map, or the model cannot read such images.
        FileNotFoundError: If published weights are not available.
    """

    def __init__(self, name: str, shape: Sequence[int], pretrained: bool = False) -> None:
        import timm  # takes seconds

        super().__init__()
        model, at, number = name.partition("@")
        check_known(model)
        if at and not number.isdecimal():
            raise ValueError(
                f"expected timm:NAME@MAP with a number from 0 as MAP, got {PREFIX}{name}"
            )
        channels, *size = shape
        options: dict[str, Any] = {"in_chans": channels}
        config = timm.get_pretrained_cfg(model, allow_unregistered=False)
        if config is not None and config.fixed_input_size:
            options["img_size"] = tuple(size)
        if number:
            options |= {"features_only": True, "out_indices": (int(number),)}
            self.backbone = create(model, pretrained, options, f"map {int(number)}")
        else:
            options |= {"num_classes": 0, "global_pool": ""}
            advice = f"; try an inner map ({PREFIX}{model}@0)"
            self.backbone = create(model, pretrained, options, "map before pooling", advice)
        safe_batch_norm(self.backbone)
        self.channels_last = returns_channels_last(self.backbone)
        advice = f"use larger images, an earlier map ({PREFIX}NAME@0), or another encoder"
        check_reads(self, name, shape, advice)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as a map ``(B, width, H', W')``.

        Tokens without known positions become a line, ``(B, width, 1, N)``.
        """
        out = self.backbone(x)
        features: Tensor = out[0] if isinstance(out, list | tuple) else out
        if features.dim() == 3:
            return self._to_map(features)
        return channels_first(features, self.channels_last)

    def _to_map(self, tokens: Tensor) -> Tensor:
        """Arrange tokens ``(B, N, width)`` by the positions of their patches."""
        prefix = int(getattr(self.backbone, "num_prefix_tokens", 0))
        grid = getattr(getattr(self.backbone, "patch_embed", None), "grid_size", None)
        patches = tokens[:, prefix:].transpose(1, 2)
        if grid is not None and math.prod(grid) == patches.shape[2]:
            arranged: Tensor = patches.unflatten(2, tuple(grid))
            return arranged
        return tokens.transpose(1, 2).unsqueeze(2)
