"""What a family of networks gives a method to put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from dmrnet.modalities import Modality, Task
from dmrnet.nn.encoders.basic import VolumeEncoder
from dmrnet.nn.fusion import Fusion

Form = Literal["map", "vector"]
"""How OGM's modalities meet: as maps on one grid, or as globally pooled vectors."""


@dataclass(frozen=True)
class Parts:
    """All of a network but the representation, which is the method's own choice.

    Attributes:
        encoders: One a modality, in the task's order.
        fusion: From features and mask to `Fused`.
        channels: C of the fused map.
        predictor: From a representation's value ``(B, C, H, W)`` (and skips) to `Output`.
    """

    encoders: Mapping[str, nn.Module]
    fusion: Fusion
    channels: int
    predictor: nn.Module


def image_encoders(
    task: Task, network: str, make: Callable[[int], nn.Module]
) -> dict[str, nn.Module]:
    """Return encoders of images, and of volumes frame by frame, averaged over frames.

    Args:
        task: Its modalities must be images or volumes, of any number of channels.
        network: Its name, for messages.
        make: From the number of channels to an encoder of images.

    Raises:
        ValueError: If a modality is neither.
    """
    encoders: dict[str, nn.Module] = {}
    for modality in task.inputs:
        check_kind(modality, network, ("image", "volume"))
        frame = make(modality.shape[0])
        encoders[modality.name] = VolumeEncoder(frame) if modality.kind == "volume" else frame
    return encoders


def check_kind(modality: Modality, network: str, kinds: tuple[str, ...]) -> None:
    """Refuse a modality whose kind a network cannot read."""
    if modality.kind not in kinds:
        raise ValueError(
            f"modality {modality.name} is a {modality.kind} {modality.shape}, but the {network} "
            f"network reads {' or '.join(kinds)}; use the generic network"
        )


def check_dense(task: Task, network: str, dense: bool) -> None:
    """Refuse a task that has a class where a network predicts pixels, or the other way round."""
    if task.dense != dense:
        # The generic one does both; the other names are those of methods.
        known = network in ("surf", "ogm", "esanet")
        instead = "; use the generic network (--method.network.family generic)" if known else ""
        raise ValueError(
            f"the {network} network predicts {'every pixel' if dense else 'one class a sample'}, "
            f"but the task has {'every pixel' if task.dense else 'one class a sample'}{instead}"
        )
