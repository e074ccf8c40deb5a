"""Every combination of modalities in one pass: encode once, then fuse and predict for each.

Peers run the whole network once for every combination; here the encoders run once a sample, on what
it has, and only what lies behind them is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dmrnet.evaluation.finite import a_class_wins, finite_logits
from dmrnet.modalities import Batch, CachedFeatures, Inputs, Where

NUMBERS_AT_ONCE = 1 << 22
"""Fusion reads so many numbers of features together: 16 MB in float32, near a CPU's cache."""

MOST_ROWS_AT_ONCE = 2048
"""... and no more rows than these, where features are small: more were a third slower."""


class Model(Protocol):
    """What evaluation needs of a method."""

    @property
    def stride(self) -> int:
        """Number that must divide the height and width of images in a dense task."""
        ...

    def cached(self, inputs: Inputs, where: Where) -> CachedFeatures:
        """Encode a batch: what all combinations share."""
        ...

    def logits(self, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
        """Return ``(b, M)`` from what `CachedFeatures.select` returned for bool ``(b, V)``."""
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


def rows_at_once(row_size: int) -> int:
    """Return the number of rows of a size, in values, that go through fusion together."""
    return max(1, min(MOST_ROWS_AT_ONCE, NUMBERS_AT_ONCE // max(1, row_size)))


def predict_masks(
    model: Model, feats: CachedFeatures, masks: Tensor, rows: int | None = None
) -> Tensor:
    """Predict from features under several masks.

    Args:
        model: Fuses and predicts.
        feats: Features of B samples, encoded once.
        masks: bool ``(k, B, V)``.
        rows: Bounds how many rows go through fusion together; by default by their size.

    Returns:
        Logits, float32 ``(k, B, M)``.
    """
    return torch.cat([logits for _, logits in by_chunk(model, feats, masks, rows)])


def by_chunk(
    model: Model, feats: CachedFeatures, masks: Tensor, rows: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Give which masks, and logits float32 ``(some, B, M)``, a bounded number of rows at a time."""
    size = masks.shape[1]
    every = torch.arange(size, device=masks.device)
    step = max(1, (rows or rows_at_once(feats.row_size)) // max(1, size))
    for start in range(0, len(masks), step):
        some = masks[start : start + step]
        flat = some.flatten(0, 1)
        logits = model.logits(feats.select(every.repeat(len(some)), flat), flat).float()
        yield slice(start, start + len(some)), logits.reshape(len(some), size, *logits.shape[1:])


@torch.inference_mode()
def evaluate(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    classes: int,
    *,
    keep: bool = False,
    rows: int | None = None,
) -> Evaluation:
    """Score every combination on every sample that has its modalities.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: With index lists of what is present, so that nothing absent is encoded.
        combinations: bool ``(K, V)``, on that device.
        classes: M.
        keep: Also return each prediction (K * n * M floats, on the CPU).
        rows: Bounds how many rows go through fusion together; by default by their size.

    Raises:
        ValueError: If a batch has no index lists, other modalities, or a sample without a label.
        NoClassError: If the largest logit of a scored sample is NaN or infinite.
    """
    modalities = combinations.shape[1]
    device = combinations.device
    confusion = torch.zeros(len(combinations), classes, classes, dtype=torch.int64, device=device)
    complete = torch.zeros_like(confusion)
    log_loss = torch.zeros(len(combinations), dtype=torch.float64, device=device)
    kept: list[Predictions] = []
    watch = finite_logits(model)
    for batch in batches:
        where = checked(batch, modalities)
        feats = model.cached(batch.inputs, where)
        scored = (batch.present | ~combinations[:, None, :]).all(-1)
        whole = batch.present.all(1)
        probabilities = []
        masks = combinations[:, None, :].expand(-1, len(batch), -1)
        for some, logits in by_chunk(model, feats, masks, rows):
            log_p = logits.log_softmax(-1)
            watch.add(a_class_wins(log_p), batch.index, combinations[some], scored[some])
            right_class = batch.target.expand(len(log_p), -1).unsqueeze(2)
            of_target = log_p.gather(2, right_class).squeeze(2).double()
            log_loss[some] -= torch.where(scored[some], of_target, 0).sum(1)
            _count(confusion[some], log_p, batch.target, scored[some])
            _count(complete[some], log_p, batch.target, scored[some] & whole)
            if keep:
                probabilities.append(log_p.exp().cpu())
        if keep:
            of_batch = torch.cat(probabilities)
            kept.append(Predictions(batch.index.cpu(), batch.target.cpu(), scored.cpu(), of_batch))
    watch.check()
    return Evaluation(combinations, confusion, complete, log_loss, joined(kept) if kept else None)


def where_of(batch: Batch, modalities: int) -> Where:
    """Return the index lists of a batch.

    Raises:
        ValueError: If it has none, or other modalities.
    """
    if batch.where is None or batch.present.shape[1] != modalities:
        raise ValueError(
            f"expected batches of {modalities} modalities with index lists (Batch.where)"
        )
    return batch.where


def checked(batch: Batch, modalities: int) -> Where:
    """Return the index lists of a batch that can be scored.

    Raises:
        ValueError: If it has no index lists, other modalities, or a sample without a label.
    """
    where = where_of(batch, modalities)
    if bool((batch.target < 0).any()):
        row = int(batch.index[(batch.target < 0).nonzero()[0, 0]])
        raise ValueError(f"sample {row} has no label, so it cannot be scored")
    return where


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
