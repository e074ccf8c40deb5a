"""Evaluation of every combination where several labels, or numbers, are predicted."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import (
    Evaluation,
    MaskPredictions,
    Model,
    by_chunk,
    check_labels,
    concatenate,
    rows_to_encode,
)
from dmrnet.evaluation.finite import FiniteLogits
from dmrnet.modalities import Batch
from dmrnet.targets import Target


@torch.inference_mode()
def evaluate_values(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    kind: Target,
    *,
    rows: int | None = None,
) -> Evaluation:
    """Predict every combination of every sample that has its modalities, and keep predictions.

    Args:
        model: Model in evaluation mode, on the device of the batches.
        batches: Batches with row numbers of the present modalities (`Batch.where`).
        combinations: Bool tensor of shape ``(K, V)``, on that device.
        kind: What is predicted.
        rows: Maximum number of rows fused together; by default by their size.

    Returns:
        Numbers of samples instead of confusion counts, with predictions.

    Raises:
        ValueError: If there is no sample, or a batch has no row numbers, other modalities, or
            a sample without a target.
        NoClassError: If a scored prediction is NaN or infinite.
    """
    kept: list[MaskPredictions] = []
    losses: list[Tensor] = []
    watch = FiniteLogits(model.modalities)
    for batch in batches:
        where = rows_to_encode(batch, combinations.shape[1])
        check_labels(batch, kind)
        feats = model.cached(batch.inputs, where)
        scored = (batch.present | ~combinations[:, None, :]).all(-1)
        masks = combinations[:, None, :].expand(-1, len(batch), -1)
        values = []
        for chunk, predictions in by_chunk(model, feats, masks, rows):
            defined = kind.defined(predictions)
            watch.add(defined, batch.index, combinations[chunk], scored[chunk])
            values.append(kind.probabilities(predictions).cpu())
            loss = kind.log_loss(predictions, batch.target)
            if loss is not None:
                losses.append(torch.where(scored[chunk], loss, 0.0).sum(1).cpu())
        kept.append(
            MaskPredictions(batch.index.cpu(), batch.target.cpu(), scored.cpu(), torch.cat(values))
        )
    watch.check()
    if not kept:
        raise ValueError("expected at least one sample to evaluate on, got none")
    every = concatenate(kept)
    seen = every.scored
    log_loss = torch.cat(losses).view(len(kept), -1).sum(0) if losses else None
    return Evaluation(
        combinations,
        seen.sum(1).view(-1, 1, 1),
        (seen & seen.all(0)).sum(1).view(-1, 1, 1),
        log_loss,
        every,
    )


def pooled(kind: Target, target: Tensor, probabilities: Tensor) -> Evaluation:
    """Return predictions of any combinations as those of one, to score them all together.

    Args:
        kind: What is predicted.
        target: Targets ``(P,)`` or ``(P, M)``.
        probabilities: `Target.probabilities` ``(P, M)``.
    """
    rows, many = len(target), probabilities.shape[1]
    counts = torch.full((1, 1, 1), rows)
    if kind.counts:
        cell = target * many + kind.decide(probabilities)
        counts = cell.bincount(minlength=many * many).view(1, many, many)
    every = torch.ones(1, rows, dtype=torch.bool)
    kept = MaskPredictions(torch.arange(rows), target, every, probabilities[None])
    return Evaluation(every[:, :1], counts, counts, None, kept)
