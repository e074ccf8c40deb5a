"""Evaluation of every combination in one pass: encode once, then fuse and predict for each.

The usual way runs the whole network once for each combination. Here the encoders run once for each
sample, on its present modalities, and only the stages after them are repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dmrnet.evaluation.finite import FiniteLogits, has_finite_max
from dmrnet.modalities import Batch, CachedFeatures, Inputs, Where
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets import CLASSES, Target

NUMBERS_AT_ONCE = 1 << 22
"""Number of feature values that are fused together: 16 MB in float32, about the size of a CPU's
cache."""

MOST_ROWS_AT_ONCE = 2048
"""Largest number of rows that are fused together: for small features, more were a third slower."""


class Model(Protocol):
    """The interface of a method that evaluation uses."""

    @property
    def modalities(self) -> Sequence[str]:
        """Names of the modalities, in the order of mask columns."""
        ...

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
    """Counts for each combination, over the samples that have all its modalities.

    Attributes:
        combinations: Bool tensor of shape ``(K, V)``.
        confusion: Int64 tensor of shape ``(K, M, M)``: true class by row, predicted by column.
            Where no class is predicted, M is 1: the number of samples.
        complete: Like `confusion`, over the samples that have every modality.
        log_loss: Float64 tensor of shape ``(K,)``: sum of -log p of the true class, or of a
            sample's labels, averaged; None for numbers.
        predictions: Predictions of each sample, if requested.
    """

    combinations: Tensor
    confusion: Tensor
    complete: Tensor
    log_loss: Tensor | None
    predictions: MaskPredictions | None = None


@dataclass(frozen=True)
class MaskPredictions:
    """Probabilities of every sample under every combination.

    Attributes:
        index: Int64 tensor of shape ``(n,)``: the samples' numbers in the data set.
        target: Int64 tensor of shape ``(n,)``; ``(n, M)`` for labels, float64 for numbers.
        scored: Bool tensor of shape ``(K, n)``, True where the sample has all modalities of the
            combination.
        probabilities: Float32 tensor of shape ``(K, n, M)``, float64 numbers in regression;
            meaningless where not scored.
    """

    index: Tensor
    target: Tensor
    scored: Tensor
    probabilities: Tensor


def rows_at_once(row_size: int) -> int:
    """Return the number of rows of a size, in values, that are fused together."""
    return max(1, min(MOST_ROWS_AT_ONCE, NUMBERS_AT_ONCE // max(1, row_size)))


def predict_masks(
    model: Model, feats: CachedFeatures, masks: Tensor, rows: int | None = None
) -> Tensor:
    """Predict from features under several masks.

    Args:
        model: Model that fuses and predicts.
        feats: Features of B samples, encoded once.
        masks: Bool tensor of shape ``(k, B, V)``.
        rows: Maximum number of rows fused together; by default by their size.

    Returns:
        Predictions of `Model.logits`, at least float32, ``(k, B, M)``.
    """
    return torch.cat([logits for _, logits in by_chunk(model, feats, masks, rows)])


def by_chunk(
    model: Model, feats: CachedFeatures, masks: Tensor, rows: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of masks and their predictions ``(chunk, B, M)``; see `predict_masks`."""
    size = masks.shape[1]
    every = torch.arange(size, device=masks.device)
    step = max(1, (rows or rows_at_once(feats.row_size)) // max(1, size))
    for start in range(0, len(masks), step):
        chunk = masks[start : start + step]
        flat = chunk.flatten(0, 1)
        logits = at_least_float32(model.logits(feats.select(every.repeat(len(chunk)), flat), flat))
        yield slice(start, start + len(chunk)), logits.reshape(len(chunk), size, *logits.shape[1:])


@torch.inference_mode()
def evaluate(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    classes: int,
    *,
    keep: bool = False,
    rows: int | None = None,
    kind: Target = CLASSES,
) -> Evaluation:
    """Score every combination on every sample that has its modalities.

    Args:
        model: Model in evaluation mode, on the device of the batches.
        batches: Batches with row numbers of the present modalities (`Batch.where`).
        combinations: Bool tensor of shape ``(K, V)``, on that device.
        classes: Number of classes, M.
        keep: Whether to return every prediction (K * n * M floats, on the CPU).
        rows: Maximum number of rows fused together; by default by their size.
        kind: What is predicted: classes, ordered or not.

    Raises:
        ValueError: If a batch has no row numbers, other modalities, or a sample without a label.
        NoClassError: If the largest logit of a scored sample is NaN or infinite.
    """
    device = combinations.device
    confusion = torch.zeros(len(combinations), classes, classes, dtype=torch.int64, device=device)
    complete = torch.zeros_like(confusion)
    log_loss = torch.zeros(len(combinations), dtype=torch.float64, device=device)
    kept: list[MaskPredictions] = []
    watch = FiniteLogits(model.modalities)
    for batch in batches:
        where = rows_to_encode(batch, combinations.shape[1])
        check_labels(batch)
        feats = model.cached(batch.inputs, where)
        scored = (batch.present | ~combinations[:, None, :]).all(-1)
        whole = batch.present.all(1)
        probabilities = []
        masks = combinations[:, None, :].expand(-1, len(batch), -1)
        for chunk, logits in by_chunk(model, feats, masks, rows):
            log_p = logits.float().log_softmax(-1)
            watch.add(has_finite_max(log_p), batch.index, combinations[chunk], scored[chunk])
            true_class = batch.target.expand(len(log_p), -1).unsqueeze(2)
            of_target = log_p.gather(2, true_class).squeeze(2).double()
            log_loss[chunk] -= torch.where(scored[chunk], of_target, 0).sum(1)
            # An argmax needs no probabilities.
            predicted = log_p.argmax(-1) if kind is CLASSES else kind.decide(log_p.exp())
            _count(confusion[chunk], predicted, batch.target, scored[chunk])
            _count(complete[chunk], predicted, batch.target, scored[chunk] & whole)
            if keep:
                probabilities.append(log_p.exp().cpu())
        if keep:
            kept.append(
                MaskPredictions(
                    batch.index.cpu(), batch.target.cpu(), scored.cpu(), torch.cat(probabilities)
                )
            )
    watch.check()
    predictions = concatenate(kept) if kept else None
    return Evaluation(combinations, confusion, complete, log_loss, predictions)


def rows_to_encode(batch: Batch, modalities: int) -> Where:
    """Return the row numbers of a batch, or raise a ValueError if it has none, or others."""
    if batch.where is None or batch.present.shape[1] != modalities:
        raise ValueError(
            f"expected batches of {modalities} modalities with row numbers (Batch.where), got "
            f"{batch.present.shape[1]} modalities{' without any' if batch.where is None else ''}; "
            "set them with Batch.masked"
        )
    return batch.where


def check_labels(batch: Batch, kind: Target = CLASSES) -> None:
    """Raise a ValueError if a sample has no label."""
    none = ~kind.labelled(batch.target)
    if bool(none.any()):
        sample = int(batch.index[none.nonzero()[0, 0]])
        raise ValueError(f"expected a label for every sample, got none for sample {sample}")


def concatenate(parts: Sequence[MaskPredictions]) -> MaskPredictions:
    """Concatenate the predictions of several batches."""
    return MaskPredictions(
        torch.cat([part.index for part in parts]),
        torch.cat([part.target for part in parts]),
        torch.cat([part.scored for part in parts], 1),
        torch.cat([part.probabilities for part in parts], 1),
    )


def _count(confusion: Tensor, predicted: Tensor, target: Tensor, scored: Tensor) -> None:
    """Add scored predictions ``(K, B)`` to counts ``(K, M, M)``, without synchronising."""
    k, m, _ = confusion.shape
    row = torch.arange(k, device=target.device)[:, None] * m + target
    cell = row * m + predicted
    confusion.view(-1).index_add_(0, cell.flatten(), scored.flatten().long())
