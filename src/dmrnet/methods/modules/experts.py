"""Methods in which each modality predicts by itself: `experts` and, with another fusion, `dgl`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Method
from dmrnet.methods.probes import embedding
from dmrnet.modalities import Batch, Inputs
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.experts import logits_name
from dmrnet.objectives import Step, TaskLoss
from dmrnet.objectives.systems.experts import LOSSES


class OwnLosses(Method):
    """A method in which each modality predicts by itself and has a loss of its own."""

    def step(self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None) -> Step:
        """Run a masked batch through all stages, the task loss and the experts' losses."""
        step = super().step(batch, epoch, generator)
        losses = []
        for name in self.modalities:
            loss = self.expert_loss(name, step.feats, batch.target)
            losses.append(batch.weigh(loss.per_sample) / loss.normaliser)
        extras = {**step.fused.extras, LOSSES: tuple(losses)}
        return replace(step, fused=replace(step.fused, extras=extras))

    def expert_loss(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of one modality's expert."""
        scales = takewhile(feats.__contains__, (logits_name(name, scale) for scale in count()))
        main, *side = (feats[scale] for scale in scales)
        return self.task_loss(Output(main, tuple(side)), target)

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return each expert and the fused part, so that large gradients slow down no other."""
        fused = nn.ModuleList([self.fusion, self.representation, self.predictor, self.objective])
        return (*self.encoders, fused)


class Experts(OwnLosses):
    """A method that adds the predictions of single modalities to that of the fused map."""


@embedding.register
def _(method: Experts, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
    """Refuse: the logits of experts are added to those of the fused map.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "experts has no embedding of a combination, since the logits of modalities are added up; "
        "compare the angles of sf-md, head-only and dmr"
    )
