"""The parts that a family of networks provides to a method, and checks of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.basic import VolumeEncoder
from dmrnet.nn.fusion import Fusion


@dataclass(frozen=True)
class NetworkParts:
    """All parts of a network but the representation, which the method chooses.

    Attributes:
        encoders: Encoder of each modality, in the task's order.
        fusion: Fusion of the encoders' features under a mask.
        channels: Number of channels of the fused map.
        predictor: Module from a representation's value ``(B, C, H, W)`` and skips to `Output`.
    """

    encoders: Mapping[str, nn.Module]
    fusion: Fusion
    channels: int
    predictor: nn.Module


@dataclass(frozen=True)
class Tail:
    """The part of a network after the fusion, for classification.

    Attributes:
        trunk: Module from the fused map to the map of the representation.
        channels: Number of channels of the trunk's output.
        predictor: Classifier.
    """

    trunk: nn.Module
    channels: int
    predictor: nn.Module


def image_encoders(
    task: Task, network: str, build: Callable[[int], nn.Module]
) -> dict[str, nn.Module]:
    """Return encoders of images and, frame by frame, of volumes.

    `build` returns an encoder of images with a number of channels.

    Raises:
        ValueError: If a modality is neither an image nor a volume.
    """
    check_kinds(task, network, ("image", "volume"))
    encoders: dict[str, nn.Module] = {}
    for modality in task.inputs:
        frame = build(modality.shape[0])
        encoders[modality.name] = VolumeEncoder(frame) if modality.kind == "volume" else frame
    return encoders


def check_kinds(task: Task, network: str, kinds: tuple[str, ...]) -> None:
    """Raise a ValueError if a network cannot read the kind of a modality."""
    for modality in task.inputs:
        if modality.kind not in kinds:
            raise ValueError(
                f"modality {modality.name}: the {network} network expects {' or '.join(kinds)}, "
                f"got {modality.kind} {modality.shape}; use the generic network"
            )


def check_dense(task: Task, network: str, dense: bool) -> None:
    """Raise a ValueError if a task is dense and a network is not, or the other way round."""
    if task.dense != dense:
        # The generic network does both; other names are methods.
        known = network in ("surf", "ogm", "esanet")
        mend = (
            "; use the generic network (family of the network, --method.network.family)"
            if known
            else ""
        )
        raise ValueError(
            f"the {network} network predicts {'every pixel' if dense else 'one class per sample'}, "
            f"but the task has {'every pixel' if task.dense else 'one class per sample'}{mend}"
        )
