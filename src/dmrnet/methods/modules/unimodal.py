"""unimodal's method: encoders that are whole networks, with a loss each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Features
from dmrnet.methods.modules.undropped import Undropped
from dmrnet.modalities import Inputs, Where
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.encoders.rows import encode_rows, output_shape
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.unimodal import Expert, PixelExpert
from dmrnet.objectives import TaskLoss, View
from dmrnet.objectives.task import cross_entropy


class Unimodal(Undropped):
    """A method whose encoders are whole networks, with a loss each."""

    def view(
        self,
        feats: Inputs,
        mask: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
        rows: Where | None = None,
    ) -> View:
        """Average the experts; the task loss is the sum of the losses of those that are shown."""
        view = super().view(feats, mask, target, generator, rows)
        total = torch.zeros_like(view.task.per_sample)
        for name, column in zip(self.modalities, mask.unbind(1), strict=True):
            alone = self.loss_of(name, feats, target)
            total = total + torch.where(column, alone.per_sample, 0.0)
        return replace(view, task=TaskLoss(total, view.task.normaliser, view.task.size))

    def loss_of(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of the expert of one modality."""
        if not self.task.dense:
            return cross_entropy(feats[name].flatten(1), target, self.smoothing)
        scales = takewhile(feats.__contains__, (feature_name(name, level) for level in count()))
        main, *side = (feats[scale] for scale in scales)
        return self.task_loss(Output(main, tuple(side)), target)

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return the experts: one that learns fast does not hold up the others."""
        return tuple(self.encoders)

    def maps(self, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
        """Return the map of each expert's encoder; what `encode` returns are its logits."""
        maps: Features = {}
        for modality, expert in zip(self.task.inputs, self.encoders, strict=True):
            x, rows = inputs[modality.name], where[modality.name]
            if isinstance(expert, PixelExpert):
                assert isinstance(expert.encoder, MultiLevelEncoder)
                maps |= expert.encoder.encode(modality.name, x, rows)
                continue
            assert isinstance(expert, Expert)
            shape = output_shape(expert.encoder, modality.shape)
            maps[modality.name] = encode_rows(expert.encoder, x, rows, shape)
        return super().maps(inputs, where, maps)

    def embedding(self, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
        """Refuse: experts are averaged by what they predict.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "unimodal has no embedding of a combination, since its networks are averaged by what "
            "they predict; compare the angles of sf-md, head-only and dmr"
        )
