"""Building timm backbones: names, options, weights, and errors in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dmrnet.hints import nearest
from dmrnet.nn.encoders.rows import output_shape

# The functions import timm, which takes seconds that a run without it need not spend.

PREFIX = "timm:"
"""Prefix of an encoder's name that selects a timm backbone."""


def check_known(model: str) -> None:
    """Raise a ValueError if timm has no model of this name."""
    import timm

    if not timm.is_model(model):
        hint = nearest(model, timm.list_models())
        raise ValueError(f"unknown timm model {model!r}; {_first_line(hint)}")


def create(
    model: str, pretrained: bool, options: dict[str, Any], maps: str, advice: str = ""
) -> nn.Module:
    """Build a backbone; errors of timm become one line that names the requested `maps`.

    Raises:
        ValueError: If timm cannot build the backbone.
        FileNotFoundError: If published weights are not available.
    """
    import timm

    def build(load: bool) -> nn.Module:
        return _without_unused_blocks(timm.create_model(model, pretrained=load, **options))

    try:
        network = build(False)
    except Exception as error:  # hundreds of networks raise errors of any type
        raise ValueError(
            f"timm model {model} returns no {maps} for such images: {_first_line(error)}{advice}"
        ) from error
    if not pretrained:
        return network
    del network  # built only to distinguish an unfit backbone from weights that cannot be fetched
    try:
        return build(True)
    except Exception as error:  # errors of the hub, HTTP and files have no common base
        raise FileNotFoundError(
            f"no published weights of timm model {model} are available: {_first_line(error)}; "
            "fetch them once with a network connection, choose a name with weights, or leave out "
            "pretrained (--method.network.pretrained)"
        ) from error


def _without_unused_blocks(network: nn.Module) -> nn.Module:
    """Remove the blocks behind the deepest requested map.

    Timm does so itself except in EfficientNet, MobileNet and similar networks.
    """
    stages = getattr(network, "_stage_out_idx", None)  # 0 is the stem, 1 the first block
    if stages:
        blocks = network.get_submodule("blocks")
        assert isinstance(blocks, nn.Sequential)
        network.blocks = blocks[: max(stages)]
    return network


def returns_channels_last(backbone: nn.Module) -> bool:
    """Return whether a backbone's maps are ``(B, H, W, C)``."""
    declared = getattr(backbone, "output_fmt", None)
    return str(getattr(declared, "value", declared)).upper() == "NHWC"


def channels_first(x: Tensor, channels_last: bool) -> Tensor:
    """Return a map as ``(B, C, H, W)``."""
    return x.permute(0, 3, 1, 2) if channels_last else x


def check_reads(encoder: nn.Module, name: str, shape: Sequence[int], advice: str) -> None:
    """Run an encoder once, and raise a ValueError if it returns no map with positions."""
    what = f"timm model {name} cannot read images of {'x'.join(str(side) for side in shape)}"
    try:
        size = output_shape(encoder, shape)
    except Exception as error:  # networks raise errors of any type
        raise ValueError(f"{what}: {_first_line(error)}; {advice}") from error
    if min(size) < 1:
        raise ValueError(f"{what}: the map has no positions; {advice}")


def _first_line(error: object) -> str:
    """Return the first line of a message, shortened, or the error's type if it is empty."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 120 else f"{lines[0][:120]} ..."
