"""Methods in which each modality predicts by itself: `experts` and, with another fusion, `dgl`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Method
from dmrnet.methods.probes import class_vectors, embedding
from dmrnet.modalities import Batch, Inputs
from dmrnet.nn.fusion import Fused, masked_all
from dmrnet.nn.grid import pooled_to
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.experts.expert import ModalityExpert, logits_name
from dmrnet.nn.systems.experts.fusion import ExpertsFusion, FusedWithExperts, SelectedExperts
from dmrnet.nn.systems.experts.mixture import fit_weights
from dmrnet.objectives import Step, TaskLoss

DRAWS = 3
"""Number of combinations of each size under which a validation sample is read to fit weights."""

MOST_NUMBERS = 1 << 24
"""Weights are fitted to as many samples as have this number of logits: 128 MB in float64."""


class OwnLosses(Method):
    """A method in which each modality predicts by itself and has a loss of its own."""

    def step(self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None) -> Step:
        """Run a masked batch through all stages, the task loss and the experts' losses."""
        step = super().step(batch, epoch, generator)
        losses = tuple(map(batch.weigh, self.expert_losses(step.feats, step.batch.target)))
        return replace(step, unimodal=losses)

    def expert_losses(self, feats: Inputs, target: Tensor) -> tuple[Tensor, ...]:
        """Return the normalised loss of each sample, ``(B,)``, by modality."""
        names = [logits_name(name) for name in self.modalities]
        if not self.task.dense and all(name in feats for name in names):
            # One call for all modalities, since a call takes longer than its arithmetic.
            logits = torch.cat([feats[name] for name in names])
            loss = self.task_loss(Output(logits), torch.cat([target] * len(names)))
            return (loss.per_sample * (len(names) / loss.normaliser)).chunk(len(names))
        losses = [self.expert_loss(name, feats, target) for name in self.modalities]
        return tuple(loss.per_sample / loss.normaliser for loss in losses)

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

    renamed: ClassVar = {
        "fusion.residual.": "fusion.fusion.",
        "fusion.pool.residual_weights": "fusion.pool.fused_weights",
        "predictor.predictor.": "predictor.",
    }

    def predict(self, value: Tensor, fused: Fused) -> Output:
        """Predict by the fused part, and add its weighted logits to those of the pooled experts.

        In dense tasks the pooled logits are averaged to the size of each side output.
        """
        out = super().predict(value, fused)
        if not isinstance(fused, FusedWithExperts):
            return out
        pooled, share = fused.pooled, fused.share
        side = (pooled_to(pooled, r.shape[2:]) + share * r for r in out.side)
        return Output(pooled + share * out.logits, tuple(side))

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return each expert and a residual; or each head, and a fused network with encoders."""
        assert isinstance(self.fusion, ExpertsFusion)
        if self.fusion.pool.fuses == "residual":
            return super().clip_groups()
        heads: list[nn.Module] = []
        rest: list[nn.Module] = [self.fusion, self.representation, self.predictor, self.objective]
        for expert in self.encoders:
            assert isinstance(expert, ModalityExpert)
            heads.append(expert.head)
            rest.append(expert.encoder)
        return (*heads, nn.ModuleList(rest))

    @torch.no_grad()
    def fit_on_validation(self, batches: Iterable[Batch]) -> None:
        """Fit the weights of the experts and of the fused part, for each number of modalities.

        Each sample is read under `DRAWS` random combinations of each number.
        """
        assert isinstance(self.fusion, ExpertsFusion)
        pool, v = self.fusion.pool, len(self.modalities)
        if pool.pooling != "weights":
            return
        residual = pool.fuses == "residual"
        most = max(1, MOST_NUMBERS // ((v + 1) * self.target.outputs(self.task)))
        draw = torch.Generator().manual_seed(0)
        read: dict[int, list[tuple[Tensor, Tensor]]] = {n: [] for n in range(1 + residual, v + 1)}
        for batch in batches:
            missing = [n for n, parts in read.items() if sum(len(y) for _, y in parts) < most]
            if not missing:
                break
            assert batch.where is not None
            cached = self.cached(batch.inputs, batch.where)
            for number in missing:
                for _ in range(min(DRAWS, v) if number < v else 1):
                    rows, mask = draw_combinations(batch.present, number, draw)
                    if len(rows):
                        columns = self.columns(cached.select(rows, mask), mask)
                        target = self.target.encode(batch.target[rows], self.scale)
                        read[number].append((columns, target))
        whole = 1.0 if residual else 0.5
        for number, parts in read.items():
            if parts:
                columns, target = (torch.cat(part) for part in zip(*parts, strict=True))
                start = columns.new_full((v + 1,), whole / number)
                start[-1] = whole
                pool.set_weights(number, fit_weights(columns, target, start, kind=self.target))

    def columns(self, feats: SelectedExperts, mask: Tensor) -> Tensor:
        """Return the logits of each expert, zeros where hidden, and of the fused part.

        Returns:
            Tensor of shape ``(b, V + 1, M)``.
        """
        names = [logits_name(name) for name in self.modalities]
        logits = masked_all(feats.logits, names, mask)
        own = torch.zeros_like(logits[0])
        assert isinstance(self.fusion, ExpertsFusion)
        if self.fusion.fusion is not None:
            fused = self.fuse(feats, mask)
            own = super().predict(self.representation.infer(fused.map), fused).logits
        return torch.stack([*logits, own], 1)


def draw_combinations(present: Tensor, number: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a combination of a number of modalities for each sample that has as many.

    Returns:
        The samples' rows, int64 ``(b,)``, and their masks, bool ``(b, V)``.
    """
    order = torch.rand(present.shape, generator=draw).to(present.device)
    chosen = order.masked_fill(~present, -1.0).topk(number, 1).indices
    mask = torch.zeros_like(present).scatter_(1, chosen, True)
    rows = (present.sum(1) >= number).nonzero().flatten()
    return rows, mask[rows]


@class_vectors.register
def _(method: Experts) -> None:
    """Return None: the classifier of the fused map gives one part of the logits."""


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
