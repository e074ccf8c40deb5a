"""Selection on validation: the score of an epoch's weights over combinations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.scores.scoring import (
    combinations_of,
    samples_at_once,
    score,
    score_images,
    spread,
)
from dmrnet.evaluation import (
    Accuracy,
    AttackErrors,
    Measure,
    Pairs,
    ScoredPairs,
    draw_pairs,
    error_rates,
    evaluate_pairs,
    pooled,
    score_pairs,
    threshold_of,
)
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import all_combinations, count, index_of, name_of
from dmrnet.modalities.combinations import MAX_TABLE
from dmrnet.targets import target_of

DEFAULT_MEASURE = Accuracy()

MOST_NAMED = 64
"""Largest number of combinations whose scores are kept one by one."""


@dataclass(frozen=True)
class Selection:
    """Scores of weights on validation.

    Attributes:
        score: Mean over combinations, by which weights are selected.
        by_combination: Score of each combination by its name, where each of them was scored on
            every sample that has it; empty where some were drawn, or they are more than 64.
    """

    score: float
    by_combination: Mapping[str, float] = field(default_factory=dict)


def selection_epochs(epochs: int, times: int, ends: Sequence[int] = ()) -> frozenset[int]:
    """Return the epochs, counted from 0, after which weights are scored; the last is one of them.

    Args:
        epochs: Number of epochs.
        times: Number of epochs that are scored in each part of the training.
        ends: Numbers of epochs after which earlier parts ended.

    >>> sorted(selection_epochs(10, 4)), sorted(selection_epochs(6, 2, [4]))
    ([2, 4, 7, 9], [1, 3, 4, 5])
    """
    bounds, chosen = [0, *ends, epochs], set[int]()
    for start, end in pairwise(bounds):
        length = end - start
        some = min(times, length)
        chosen.update(start - (-length * (i + 1) // some) - 1 for i in range(some))
    return frozenset(chosen)


def select_on(
    model: Model,
    dataset: Dataset,
    budget: int,
    device: str = "cpu",
    measure: Measure = DEFAULT_MEASURE,
    complete: bool = False,
) -> Selection:
    """Score combinations: all where they fit, else of fixed pairs.

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
        keep = measure.threshold != "half" or measure.needs_predictions
        result = score(model, dataset, all_combinations(modalities), device, keep=keep)
        if isinstance(measure, AttackErrors) and result.predictions is not None:
            result = measure.at(result, measure.thresholds(result.predictions))
        values, _ = measure.of(result)[measure.name]
        return _mean(values, all_combinations(modalities), task.modalities)
    if complete:
        sample = torch.tensor(spread(len(dataset), budget))
        pairs = Pairs(sample, index_of(dataset.present[sample]), modalities)
    else:
        pairs = draw_pairs(dataset.present, budget, torch.Generator().manual_seed(0))
    batches = (batch.to(device) for batch in evaluation_batches(dataset, samples_at_once(task)))
    if isinstance(measure, AttackErrors):
        values = _acer_of_pairs(score_pairs(model, batches, pairs), measure)
        return Selection(float(values.nanmean()))
    if not isinstance(measure, Accuracy):
        # A combination has too few pairs for a score of its own: all are scored together.
        kind = target_of(task)
        scored = score_pairs(model, batches, pairs, kind=kind)
        values, _ = measure.of(pooled(kind, scored.target, scored.probabilities))[measure.name]
        return Selection(float(values))
    _, right, seen = evaluate_pairs(model, batches, pairs)
    mean = right.sum() / seen.sum() if complete else (right / seen).nanmean()
    return Selection(float(mean))


def _score_of_images(
    model: Model, dataset: Dataset, budget: int, device: str, measure: Measure, complete: bool
) -> Selection:
    """Score whole images; a pair of the budget is an image and a combination."""
    combinations = combinations_of(len(dataset.task.modalities))
    if complete:
        combinations = combinations.new_ones(1, combinations.shape[1])
    most = max(1, budget // len(combinations))
    rows = None if len(dataset) <= most else torch.tensor(spread(len(dataset), most))
    result = score_images(model, dataset, combinations, device, rows=rows)
    values, _ = measure.of(result)[measure.name]
    if rows is not None or complete:
        return Selection(float(values.nanmean()))
    return _mean(values, combinations, dataset.task.modalities)


def _mean(values: Tensor, combinations: Tensor, modalities: tuple[str, ...]) -> Selection:
    """Return the mean of values ``(K,)``; NaN where no sample has the combination."""
    named = combinations if len(combinations) <= MOST_NAMED else ()
    names = [name_of(one, modalities) for one in named]
    scored = {
        name: value
        for name, value in zip(names, values.tolist(), strict=False)
        if not math.isnan(value)
    }
    return Selection(float(values.nanmean()), scored)


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
