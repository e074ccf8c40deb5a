"""Late fusion: one whole network for each modality, whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs, Task
from dmrnet.modalities.names import position
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.fusion import Fused, Fusion, masked_all, over_maps
from dmrnet.nn.networks.custom_fusion import sub_network
from dmrnet.nn.networks.network import Network
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.predictor import Output, predict_rows
from dmrnet.targets import CLASSES, Target, outputs_of

Combine = Literal["probabilities", "logits"]
"""Predictions that are averaged over the experts of the visible modalities."""


class Expert(nn.Module):
    """Encoder, trunk and predictor of a single modality as one module."""

    def __init__(self, name: str, parts: NetworkParts) -> None:
        super().__init__()
        self.name = name
        self.encoder = parts.encoders[name]
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, *shape)`` to logits, as a map ``(B, M, 1, 1)``."""
        encoded = self.encoder(x)
        shown = torch.ones((x.shape[0], 1), dtype=torch.bool, device=x.device)
        logits: Tensor = self.predictor(self.fusion({self.name: encoded}, shown).map, ()).logits
        return logits[..., None, None]


class PixelExpert(MultiLevelEncoder):
    """Encoder, fusion and decoder of a single modality as one module, for dense prediction."""

    def __init__(self, name: str, parts: NetworkParts, classes: int) -> None:
        super().__init__()
        self.name, self.classes = name, classes
        self.encoder = parts.encoders[name]
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that an image goes through, in order."""
        assert isinstance(self.encoder, MultiLevelEncoder)
        return (*self.encoder.parts, self.fusion, self.predictor)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to logits ``(B, M, H, W)``."""
        return self.predict(x).logits

    def predict(self, x: Tensor) -> Output:
        """Map ``(B, C, H, W)`` to logits and, in training, side logits."""
        assert isinstance(self.encoder, MultiLevelEncoder)
        shown = torch.ones((x.shape[0], 1), dtype=torch.bool, device=x.device)
        fused = self.fusion(self.encoder.encode(self.name, x), shown)
        out: Output = self.predictor(fused.map, fused.skips)
        return out

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return logits ``(B, M, H, W)`` as level 0, and side logits as further levels.

        There are no side logits if there are no rows.
        """
        shape = (self.classes, *x.shape[2:])
        outputs = predict_rows(self, lambda images: self.predict(*images), [x], rows, shape)
        return {feature_name(modality, level): logits for level, logits in enumerate(outputs)}


def build_experts(
    network: Network, task: Task, make: Callable[[str, NetworkParts], nn.Module] | None = None
) -> tuple[dict[str, nn.Module], int | None]:
    """Build a network for each modality.

    Args:
        network: Settings of the networks.
        task: Task with all modalities.
        make: Makes an expert of a modality's name and network; by default `Expert` or
            `PixelExpert`.

    Returns:
        Experts by modality, and their stride in a dense task; None for classification.

    Raises:
        ValueError: If the network's main modality is not one of the task's.
    """
    if network.main is not None:
        position(network.main, task.modalities)
    experts: dict[str, nn.Module] = {}
    stride = None
    for name in task.modalities:
        parts = sub_network(network, task, [name])
        stride = parts.fusion.stride if task.dense else None
        if make is not None:
            experts[name] = make(name, parts)
        elif task.dense:
            experts[name] = PixelExpert(name, parts, outputs_of(task))
        else:
            experts[name] = Expert(name, parts)
    return experts, stride


class ExpertAverage(Fusion):
    r"""Averages the experts of the visible modalities.

    .. math:: \tfrac{1}{|S|} \sum_{v \in S} l_v
        \quad\text{or}\quad \log \tfrac{1}{|S|} \sum_{v \in S} softmax(l_v)

    Args:
        modalities: Names in the order of mask columns.
        combine: Whether logits (left) or probabilities (right) are averaged.
        stride: Stride of each `PixelExpert`; None for `Expert`.
        kind: What is predicted.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        combine: Combine = "logits",
        stride: int | None = None,
        kind: Target = CLASSES,
    ) -> None:
        super().__init__()
        if combine not in ("probabilities", "logits"):
            raise ValueError(f"expected combine as probabilities or logits, got {combine!r}")
        self.modalities = tuple(modalities)
        self.combine = combine
        self.kind = kind
        self.dense = stride is not None
        self.stride = stride or 1

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Average logits ``(B, M, 1, 1)`` or ``(B, M, H, W)`` under bool ``(B, V)``."""
        names = [feature_name(name, 0) if self.dense else name for name in self.modalities]
        logits = torch.stack(masked_all(feats, names, mask), 1)
        shown = over_maps(mask.sum(1), logits[:, 0])
        if self.combine == "logits":
            return Fused(logits.sum(1) / shown)
        return Fused(self.kind.mixture(logits, ~over_maps(mask, logits), 1))


class AsLogits(nn.Module):
    """A predictor that returns the map as logits, and skips as side logits in dense tasks."""

    def __init__(self, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense

    def forward(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Return logits ``(B, M)`` from ``(B, M, 1, 1)``, or ``(B, M, H, W)`` unchanged."""
        return Output(value, tuple(skips)) if self.dense else Output(value.flatten(1))
