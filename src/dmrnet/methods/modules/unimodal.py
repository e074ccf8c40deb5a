"""Methods of late fusion: encoders that are whole networks (experts), one for each modality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Features, Method
from dmrnet.methods.modules.undropped import Undropped
from dmrnet.methods.probes import deepest_maps, embedding, modality_maps
from dmrnet.modalities import Inputs, Where
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.rows import encode_rows, output_shape
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.experts.unimodal import Expert, PixelExpert
from dmrnet.objectives import ForwardPass, TaskLoss


class LateFusion(Method):
    """A method whose encoders are whole networks (experts), which return logits."""


class Unimodal(Undropped, LateFusion):
    """Late fusion of experts that each have a loss of their own."""

    def learners(self, mask: Tensor) -> Iterable[tuple[str, Tensor]]:
        """Return the name of each network, and the samples ``(B,)`` under a mask that it reads."""
        return zip(self.modalities, mask.unbind(1), strict=True)

    def forward_pass(
        self,
        feats: Inputs,
        mask: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
        rows: Where | None = None,
    ) -> ForwardPass:
        """Fuse the predictions; the task loss is the sum of the networks' own losses."""
        one = super().forward_pass(feats, mask, target, generator, rows)
        total = torch.zeros_like(one.task.per_sample)
        for name, column in self.learners(mask):
            loss = self.expert_loss(name, feats, target)
            total = total + torch.where(column, loss.per_sample, 0.0)
        return replace(one, task=replace(one.task, per_sample=total))

    def expert_loss(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of one network."""
        if not self.task.dense:
            return self.task_loss(Output(feats[name].flatten(1)), target)
        scales = takewhile(feats.__contains__, (feature_name(name, level) for level in count()))
        main, *side = (feats[scale] for scale in scales)
        return self.task_loss(Output(main, tuple(side)), target)

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return the experts, so that one with large gradients does not slow down the others."""
        return tuple(self.encoders)


@modality_maps.register
def _(method: LateFusion, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
    """Return the map of each expert's encoder; what `encode` returns are logits."""
    maps: Features = {}
    for modality, expert in zip(method.task.inputs, method.encoders, strict=True):
        x, rows = inputs[modality.name], where[modality.name]
        if isinstance(expert, PixelExpert):
            assert isinstance(expert.encoder, MultiLevelEncoder)
            maps |= expert.encoder.encode(modality.name, x, rows)
            continue
        assert isinstance(expert, Expert)
        shape = output_shape(expert.encoder, modality.shape)
        maps[modality.name] = encode_rows(expert.encoder, x, rows, shape)
    return deepest_maps(method, maps)


@embedding.register
def _(method: LateFusion, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
    """Refuse: the networks' predictions are fused, not their features.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "late fusion has no embedding of a combination, since its networks share no features; "
        "compare the angles of sf-md, head-only and dmr"
    )
