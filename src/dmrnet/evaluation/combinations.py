"""Every combination of modalities in one pass: encode once, then fuse and predict for each.

Peers run the whole network once for every combination; here the encoders run once a sample, on what
it has, and only what lies behind them is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dmrnet.modalities import Batch, Inputs, Stratified, Uniform, Where, from_index, index_of
from dmrnet.modalities.combinations import MAX_TABLE

ROWS_AT_ONCE = 4096
"""So many (sample, combination) pairs go through fusion together."""


class Model(Protocol):
    """What evaluation needs of a method."""

    def encode(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Return what is cached: features ``(B, ...)``."""
        ...

    def logits(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Return ``(B, M)`` from features and bool ``(B, V)``."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """Counts by combination; rates follow from them.

    A combination is scored on the samples that have all its modalities.

    Attributes:
        combinations: bool ``(K, V)``.
        confusion: int64 ``(K, M, M)``: true class by row, predicted class by column.
        complete: int64 ``(K, M, M)``: the same on samples that have every modality.
        log_loss: float64 ``(K,)``: summed -log p of the true class.
        predictions: What was predicted of each sample, if it was asked for.
    """

    combinations: Tensor
    confusion: Tensor
    complete: Tensor
    log_loss: Tensor
    predictions: Predictions | None = None


@dataclass(frozen=True)
class Predictions:
    """Probabilities of every sample under every combination.

    Attributes:
        index: int64 ``(n,)``: the samples' numbers in the data set.
        target: int64 ``(n,)``.
        scored: bool ``(K, n)``: the sample has all modalities of the combination.
        probabilities: float32 ``(K, n, M)``; meaningless where not scored.
    """

    index: Tensor
    target: Tensor
    scored: Tensor
    probabilities: Tensor


def predict_masks(
    model: Model, feats: Mapping[str, Tensor], masks: Tensor, rows_at_once: int = ROWS_AT_ONCE
) -> Tensor:
    """Predict from features under several masks.

    Args:
        model: Fuses and predicts.
        feats: ``(B, ...)`` each, encoded once.
        masks: bool ``(k, B, V)``.
        rows_at_once: Bounds how many rows go through fusion together.

    Returns:
        Logits, float32 ``(k, B, M)``.
    """
    size = masks.shape[1]
    step = max(1, rows_at_once // max(1, size))
    chunks = []
    for some in masks.split(step):
        again = {
            name: f.unsqueeze(0).expand(len(some), *f.shape).flatten(0, 1)
            for name, f in feats.items()
        }
        logits = model.logits(again, some.flatten(0, 1)).float()
        chunks.append(logits.reshape(len(some), size, *logits.shape[1:]))
    return torch.cat(chunks)


@torch.inference_mode()
def evaluate(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    classes: int,
    *,
    keep: bool = False,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Evaluation:
    """Score every combination on every sample that has its modalities.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: With index lists of what is present, so that nothing absent is encoded.
        combinations: bool ``(K, V)``, on that device.
        classes: M.
        keep: Also return each prediction (K * n * M floats, on the CPU).
        rows_at_once: Bounds the memory of fusion.

    Raises:
        ValueError: If a batch has no index lists, or other modalities.
    """
    modalities = combinations.shape[1]
    device = combinations.device
    confusion = torch.zeros(len(combinations), classes, classes, dtype=torch.int64, device=device)
    complete = torch.zeros_like(confusion)
    log_loss = torch.zeros(len(combinations), dtype=torch.float64, device=device)
    kept: list[Predictions] = []
    for batch in batches:
        if batch.where is None or batch.present.shape[1] != modalities:
            raise ValueError(
                f"expected batches of {modalities} modalities with index lists (Batch.where)"
            )
        feats = model.encode(batch.inputs, batch.where)
        scored = (batch.present | ~combinations[:, None, :]).all(-1)
        masks = combinations[:, None, :].expand(-1, len(batch), -1)
        log_p = predict_masks(model, feats, masks, rows_at_once).log_softmax(-1)
        _count(confusion, log_p, batch.target, scored)
        _count(complete, log_p, batch.target, scored & batch.present.all(1))
        of_target = log_p.gather(2, batch.target.expand(len(log_p), -1).unsqueeze(2)).squeeze(2)
        log_loss -= torch.where(scored, of_target, 0).double().sum(1)
        if keep:
            kept.append(
                Predictions(batch.index.cpu(), batch.target.cpu(), scored.cpu(), log_p.exp().cpu())
            )
    return Evaluation(combinations, confusion, complete, log_loss, joined(kept) if kept else None)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Put predictions of several batches one behind the other."""
    return Predictions(
        torch.cat([part.index for part in parts]),
        torch.cat([part.target for part in parts]),
        torch.cat([part.scored for part in parts], 1),
        torch.cat([part.probabilities for part in parts], 1),
    )


def _count(confusion: Tensor, log_p: Tensor, target: Tensor, scored: Tensor) -> None:
    """Add the scored pairs ``(K, B)`` to ``(K, M, M)``, without waiting for the device."""
    k, m, _ = confusion.shape
    row = torch.arange(k, device=target.device)[:, None] * m + target
    cell = row * m + log_p.argmax(-1)
    confusion.view(-1).index_add_(0, cell.flatten(), scored.flatten().long())


@torch.inference_mode()
def evaluate_pairs(
    model: Model, batches: Iterable[Batch], rounds: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Score fixed (sample, combination) pairs where all of them would be too many.

    Each sample meets `rounds` combinations of what it has, drawn as evenly as can be; the same seed
    draws the same pairs.

    Returns:
        The combinations met, bool ``(K, V)`` in the order of Eq. 10, and how many of their pairs
        are right and how many there are, float64 ``(K,)`` each.
    """
    generator = torch.Generator().manual_seed(seed)
    met: list[Tensor] = []
    hits: list[Tensor] = []
    for batch in batches:
        if batch.where is None:
            raise ValueError("expected batches with index lists (Batch.where) in evaluation")
        present = batch.present.cpu()
        sampler = Stratified() if present.shape[1] <= MAX_TABLE else Uniform()
        masks = torch.stack([sampler(present, generator) for _ in range(rounds)])
        feats = model.encode(batch.inputs, batch.where)
        logits = predict_masks(model, feats, masks.to(batch.present.device))
        met.append(index_of(masks).flatten())
        hits.append((logits.argmax(-1) == batch.target).flatten().cpu())
    if not met:
        raise ValueError("there is no sample to evaluate on")
    j, place, seen = torch.cat(met).unique(return_inverse=True, return_counts=True)
    right = torch.zeros(len(j), dtype=torch.float64)
    right.index_add_(0, place, torch.cat(hits).double())
    return from_index(j, present.shape[1]), right, seen.double()
