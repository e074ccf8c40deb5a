"""Metrics of classes besides accuracy, of all combinations at once.

Each is of one class per sample: from confusion counts, or from probabilities where the order of
samples matters. A class without samples is left out of means over classes, and a metric without
any class that has one is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import MaskPredictions

NUMBERS_AT_ONCE = 1 << 23
"""Number of probabilities that are sorted at a time."""


def recalls(confusion: Tensor) -> Tensor:
    """Return the recall of each class of counts int64 ``(..., M, M)``, float64 ``(..., M)``.

    It is NaN for a class without samples.

    >>> recalls(torch.tensor([[8, 2, 0], [3, 1, 0], [0, 0, 0]])).tolist()
    [0.8, 0.25, nan]
    """
    counts = confusion.double()
    return counts.diagonal(dim1=-2, dim2=-1) / counts.sum(-1)


def balanced_accuracy(confusion: Tensor) -> Tensor:
    """Return the mean of `recalls` over the classes that have samples, float64 ``(...)``.

    A prediction of one class for all samples has 1 / M, whatever the frequencies.

    >>> balanced_accuracy(torch.tensor([[90, 0], [10, 0]])).item()
    0.5
    """
    return recalls(confusion).nanmean(-1)


def worst_recall(confusion: Tensor) -> Tensor:
    """Return the lowest of `recalls` over the classes that have samples, float64 ``(...)``.

    >>> worst_recall(torch.tensor([[90, 10, 0], [5, 5, 0], [0, 0, 0]])).item()
    0.5
    """
    values = recalls(confusion)
    lowest = values.nan_to_num(torch.inf).amin(-1)
    return torch.where(values.isnan().all(-1), torch.nan, lowest)


def macro_f1(confusion: Tensor) -> Tensor:
    """Return the mean over classes of F1, 2 TP / (2 TP + FP + FN), float64 ``(...)``.

    A class without samples that is never predicted is left out.

    >>> round(macro_f1(torch.tensor([[90, 0], [10, 0]])).item(), 4)
    0.4737
    """
    counts = confusion.double()
    both = counts.diagonal(dim1=-2, dim2=-1)
    return (2 * both / (counts.sum(-1) + counts.sum(-2))).nanmean(-1)


def majority_share(confusion: Tensor) -> Tensor:
    """Return the share of the most frequent class, float64 ``(...)``: a constant's accuracy.

    >>> majority_share(torch.tensor([[50, 40], [10, 0]])).item()
    0.9
    """
    of_class = confusion.sum(-1).double()
    return of_class.amax(-1) / of_class.sum(-1)


def predicted_classes(confusion: Tensor) -> Tensor:
    """Return the number of classes that are ever predicted, float64 ``(...)``.

    >>> predicted_classes(torch.tensor([[50, 0], [10, 0]])).item()
    1.0
    """
    return (confusion.sum(-2) > 0).sum(-1).double()


def ranking_metrics(predictions: MaskPredictions) -> tuple[Tensor, Tensor]:
    """Return AUROC and average precision of each combination, float64 ``(K,)`` each.

    Both are means over classes, each against the rest. AUROC is the probability that a sample of
    the class has a larger probability of it than another sample, ties counting half. Average
    precision is the mean over the samples of the class of the precision at their probability. A
    constant has 1/2, and the mean of the classes' shares, which is 1 / M.

    Args:
        predictions: Predictions of one class per sample; ``target`` may be ``(K, n)``, if samples
            differ between combinations.
    """
    probabilities, scored = predictions.probabilities, predictions.scored
    combinations, samples, classes = probabilities.shape
    target = predictions.target.expand(combinations, samples)
    aurocs, precisions = [], []
    step = max(1, NUMBERS_AT_ONCE // max(1, samples * classes))
    for start in range(0, combinations, step):
        part = slice(start, start + step)
        auroc, precision = _of_classes(probabilities[part], target[part], scored[part])
        aurocs.append(auroc.nanmean(-1))
        precisions.append(precision.nanmean(-1))
    return torch.cat(aurocs), torch.cat(precisions)


def _of_classes(probabilities: Tensor, target: Tensor, scored: Tensor) -> tuple[Tensor, Tensor]:
    """Return AUROC and average precision of each class, float64 ``(k, M)``.

    Args:
        probabilities: ``(k, n, M)``.
        target: int64 ``(k, n)``.
        scored: Bool ``(k, n)``.
    """
    samples, classes = probabilities.shape[1:]
    positive = (target[..., None] == torch.arange(classes)) & scored[..., None]
    # Samples that are not scored come last.
    keys = probabilities.masked_fill(~scored[..., None], -1.0).transpose(1, 2).contiguous()
    values, order = keys.sort(-1, descending=True)
    positive = positive.transpose(1, 2).gather(2, order)
    hits = positive.cumsum(-1).double()
    place = torch.arange(samples).expand_as(order)
    # First and last place of the samples with an equal probability.
    new = torch.ones_like(positive)
    new[..., 1:] = values[..., 1:] != values[..., :-1]
    first = torch.where(new, place, 0).cummax(-1).values
    last = torch.ones_like(positive)
    last[..., :-1] = new[..., 1:]
    end = torch.where(last, place, samples).flip(-1).cummin(-1).values.flip(-1)
    number = scored.sum(1)[:, None].double()
    positives = hits[..., -1]
    precision = hits.gather(-1, end) / (end + 1)
    average = torch.where(positive, precision, 0.0).sum(-1) / positives
    # Ranks count from the lowest probability of a scored sample, from 1; ties share their mean.
    rank = number[..., None] - (first + end).double() / 2
    sums = torch.where(positive, rank, 0.0).sum(-1)
    negatives = number - positives
    wins = sums - positives * (positives + 1) / 2
    return wins / (positives * negatives), average
