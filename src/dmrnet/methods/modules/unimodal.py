"""unimodal's method: its encoders are whole networks, each with a loss of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Features
from dmrnet.methods.modules.undropped import Undropped
from dmrnet.methods.probes import deepest_maps, embedding, modality_maps
from dmrnet.modalities import Inputs, Where
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.rows import encode_rows, output_shape
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.unimodal import Expert, PixelExpert
from dmrnet.objectives import ForwardPass, TaskLoss


class Unimodal(Undropped):
    """A method whose encoders are whole networks (experts), each with a loss of its own."""

    def forward_pass(
        self,
        feats: Inputs,
        mask: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
        rows: Where | None = None,
    ) -> ForwardPass:
        """Average the experts; the task loss is the sum of the visible experts' losses."""
        one = super().forward_pass(feats, mask, target, generator, rows)
        total = torch.zeros_like(one.task.per_sample)
        for name, column in zip(self.modalities, mask.unbind(1), strict=True):
            loss = self.expert_loss(name, feats, target)
            total = total + torch.where(column, loss.per_sample, 0.0)
        return replace(one, task=replace(one.task, per_sample=total))

    def expert_loss(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of one modality's expert."""
        if not self.task.dense:
            return self.task_loss(Output(feats[name].flatten(1)), target)
        scales = takewhile(feats.__contains__, (feature_name(name, level) for level in count()))
        main, *side = (feats[scale] for scale in scales)
        return self.task_loss(Output(main, tuple(side)), target)

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return the experts, so that one with large gradients does not slow down the others."""
        return tuple(self.encoders)


@modality_maps.register
def _(method: Unimodal, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
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
def _(method: Unimodal, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
    """Refuse: the experts' predictions are averaged, not their features.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "unimodal has no embedding of a combination, since its networks' predictions are averaged; "
        "compare the angles of sf-md, head-only and dmr"
    )
