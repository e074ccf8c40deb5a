"""Selection on validation: the score of an epoch's weights over combinations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.scoring import combinations_of, samples_at_once, score, score_images, spread
from dmrnet.evaluation import (
    Accuracy,
    AttackErrors,
    Measure,
    Pairs,
    ScoredPairs,
    draw_pairs,
    error_rates,
    evaluate_pairs,
    score_pairs,
    threshold_of,
)
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import all_combinations, count, index_of
from dmrnet.modalities.combinations import MAX_TABLE

DEFAULT_MEASURE = Accuracy()


def selection_epochs(epochs: int, times: int) -> frozenset[int]:
    """Return the epochs, counted from 0, after which weights are scored; the last is one of them.

    >>> sorted(selection_epochs(10, 4))
    [2, 4, 7, 9]
    """
    times = min(times, epochs)
    return frozenset(-(-epochs * (i + 1) // times) - 1 for i in range(times))


def selection_score(
    model: Model,
    dataset: Dataset,
    budget: int,
    device: str = "cpu",
    measure: Measure = DEFAULT_MEASURE,
    complete: bool = False,
) -> float:
    """Return the mean score over combinations: of all where they fit, else of fixed pairs.

    Args:
        model: Model in evaluation mode.
        dataset: Validation samples.
        budget: Most (sample, combination) pairs to score.
        device: Device of the model.
        measure: Measure that is averaged; a threshold that it sets on validation is set on the
            samples that are scored here.
        complete: Score instead each sample once, with all modalities that it has.
    """
    task = dataset.task
    modalities = len(task.modalities)
    if task.dense:
        return _score_of_images(model, dataset, budget, device, measure, complete)
    if not complete and modalities <= MAX_TABLE and len(dataset) * count(modalities) <= budget:
        keep = measure.threshold != "half"
        result = score(model, dataset, all_combinations(modalities), device, keep=keep)
        if isinstance(measure, AttackErrors) and result.predictions is not None:
            result = measure.at(result, measure.thresholds(result.predictions))
        values, _ = measure.columns(result.confusion)[measure.name]
        # NaN where no sample has all modalities of a combination.
        return float(values.nanmean())
    if complete:
        sample = torch.tensor(spread(len(dataset), budget))
        pairs = Pairs(sample, index_of(dataset.present[sample]), modalities)
    else:
        pairs = draw_pairs(dataset.present, budget, torch.Generator().manual_seed(0))
    batches = (batch.to(device) for batch in evaluation_batches(dataset, samples_at_once(task)))
    if isinstance(measure, AttackErrors):
        return float(_acer_of_pairs(score_pairs(model, batches, pairs), measure).nanmean())
    _, right, seen = evaluate_pairs(model, batches, pairs)
    return float(right.sum() / seen.sum()) if complete else float((right / seen).nanmean())


def predicted_classes(
    model: Model, dataset: Dataset, combinations: Tensor, device: str | torch.device = "cpu"
) -> Tensor:
    """Return how often each class is predicted under each combination, int64 ``(K, M)``.

    Args:
        model: Model in evaluation mode.
        dataset: Samples, or images.
        combinations: bool ``(K, V)``.
        device: Device of the model.
    """
    return score(model, dataset, combinations, device).confusion.sum(1).cpu()


def _score_of_images(
    model: Model, dataset: Dataset, budget: int, device: str, measure: Measure, complete: bool
) -> float:
    """Score whole images; a pair of the budget is an image and a combination."""
    combinations = combinations_of(len(dataset.task.modalities))
    if complete:
        combinations = combinations.new_ones(1, combinations.shape[1])
    most = max(1, budget // len(combinations))
    rows = None if len(dataset) <= most else torch.tensor(spread(len(dataset), most))
    result = score_images(model, dataset, combinations, device, rows=rows)
    values, _ = measure.columns(result.confusion)[measure.name]
    return float(values.nanmean())


def _acer_of_pairs(scored: ScoredPairs, measure: AttackErrors) -> Tensor:
    """Return ACER of each combination that occurs, ``(K,)``."""
    values = []
    scores = scored.probabilities[:, measure.bona_fide]
    for j in scored.combination.unique():
        rows = scored.combination == j
        real = scored.target[rows] == measure.bona_fide
        threshold = threshold_of(scores[rows], real, measure.threshold)
        accepted = scores[rows].double() > threshold
        counts = (2 * real.long() + accepted.long()).bincount(minlength=4).reshape(2, 2)
        values.append(error_rates(counts).acer)
    return torch.stack(values)


def better(measure: Measure, score: float, best: float | None) -> bool:
    """Return whether a score is better than the best so far, if that is defined."""
    if best is None or math.isnan(best):
        return True
    return score < best if measure.lower_is_better else score > best
