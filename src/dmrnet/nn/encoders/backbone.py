"""Encoders from timm: any of its backbones, for any number of channels and size of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dmrnet.hints import nearest
from dmrnet.nn.layers.gather import output_shape
from dmrnet.nn.layers.norm import safe_batch_norm

PREFIX = "timm:"
"""In front of a backbone's name, where an encoder is named."""


class TimmEncoder(nn.Module):
    """A timm backbone without its pooling and classifier, or up to one of its inner maps.

    Its batch norms bear a single value a channel. Transformers give the tokens of patches, where
    these are in the image, without the class token; networks of a fixed size are built for the
    images' size.

    Args:
        name: As timm lists it, e.g. ``convnext_atto``; ``convnext_atto@1`` for its second map,
            counted from 0 at the input, without what lies behind it.
        shape: ``(C, H, W)`` of one image.
        pretrained: Start from published weights (from timm's cache, or the network). Those of an
            RGB stem are adapted to other numbers of channels by timm.

    Raises:
        ValueError: If timm has no such backbone or map, or it cannot read such images.
        FileNotFoundError: If published weights are asked for and cannot be had.
    """

    def __init__(self, name: str, shape: Sequence[int], pretrained: bool = False) -> None:
        # It takes seconds to import, which a run without it need not wait for.
        import timm

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
            advice = f"; an inner one may do ({PREFIX}{model}@0)"
            self.backbone = create(model, pretrained, options, "map before pooling", advice)
        safe_batch_norm(self.backbone)
        self.last_channels = channels_last(self.backbone)
        advice = f"take larger ones, a map nearer to the input ({PREFIX}NAME@0), or another encoder"
        try_on(self, name, shape, advice)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as a map ``(B, width, H', W')``.

        Tokens of which timm does not say where they are become a line, ``(B, width, 1, N)``.
        """
        found = self.backbone(x)
        features: Tensor = found[0] if isinstance(found, list | tuple) else found
        if features.dim() == 3:
            return self._spread(features)
        return features.permute(0, 3, 1, 2) if self.last_channels else features

    def _spread(self, tokens: Tensor) -> Tensor:
        """Put tokens ``(B, N, width)`` where their patches are."""
        ahead = int(getattr(self.backbone, "num_prefix_tokens", 0))
        grid = getattr(getattr(self.backbone, "patch_embed", None), "grid_size", None)
        positions = tokens[:, ahead:].transpose(1, 2)
        if grid is not None and math.prod(grid) == positions.shape[2]:
            spread: Tensor = positions.unflatten(2, tuple(grid))
            return spread
        return tokens.transpose(1, 2).unsqueeze(2)


def check_known(model: str) -> None:
    """Refuse a name that timm does not have."""
    import timm

    if not timm.is_model(model):
        hint = nearest(model, timm.list_models())
        raise ValueError(f"unknown timm model {model!r}; {_first(hint)}")


def create(
    model: str, pretrained: bool, options: dict[str, Any], what: str, advice: str = ""
) -> nn.Module:
    """Build a backbone; what timm says of what it cannot do becomes one line.

    Args:
        model: A name that timm has.
        pretrained: Start from published weights.
        options: As timm takes them.
        what: Is asked of it, for messages.
        advice: Where it gives no such thing.

    Raises:
        ValueError: If timm cannot build it.
        FileNotFoundError: If published weights are asked for and cannot be had.
    """
    import timm

    def build(load: bool) -> nn.Module:
        return _cut(timm.create_model(model, pretrained=load, **options))

    try:
        network = build(False)
    except Exception as error:  # hundreds of networks, each with complaints of its own
        raise ValueError(
            f"timm model {model} gives no {what} for such images: {_first(error)}{advice}"
        ) from error
    if not pretrained:
        return network
    del network  # it only told apart what timm cannot build from what it cannot fetch
    try:
        return build(True)
    except Exception as error:  # of whatever fetches them: hub, http and files have no common base
        raise FileNotFoundError(
            f"no published weights of timm model {model} are to be had: {_first(error)}; fetch "
            "them once where there is a network, take a name with weights, or leave out "
            "--method.network.pretrained"
        ) from error


def _cut(network: nn.Module) -> nn.Module:
    """Remove what lies behind the deepest map that is asked for.

    Timm does so itself, but for EfficientNet, MobileNet and their like, which run it in vain.
    """
    stages = getattr(network, "_stage_out_idx", None)  # 0 is the stem, 1 the first block
    if stages:
        blocks = network.get_submodule("blocks")
        assert isinstance(blocks, nn.Sequential)
        network.blocks = blocks[: max(stages)]
    return network


def channels_last(backbone: nn.Module) -> bool:
    """Return whether a backbone's maps are ``(B, H, W, C)``."""
    declared = getattr(backbone, "output_fmt", None)
    return str(getattr(declared, "value", declared)).upper() == "NHWC"


def try_on(encoder: nn.Module, name: str, shape: Sequence[int], advice: str) -> None:
    """Run an encoder once, so that images it cannot read are told when it is built.

    Raises:
        ValueError: If it gives no map, or one without a position.
    """
    said = f"timm model {name} cannot read images of {'x'.join(str(side) for side in shape)}"
    try:
        found = output_shape(encoder, shape)
    except Exception as error:  # as above
        raise ValueError(f"{said}: {_first(error)}; {advice}") from error
    if min(found) < 1:
        raise ValueError(f"{said}: nothing is left of them; {advice}")


def _first(error: object) -> str:
    """Return the first line of a message, shortened, or an error's name where it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 120 else f"{lines[0][:120]} ..."
