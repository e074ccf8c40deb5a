"""Selection on validation, over combinations: which epoch's weights are kept; what is scored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.pixels import score_images, spread
from dmrnet.evaluation import (
    Accuracy,
    AttackErrors,
    Measure,
    NoClassError,
    Pairs,
    ScoredPairs,
    draw_pairs,
    error_rates,
    evaluate,
    evaluate_pairs,
    score_pairs,
    threshold_of,
)
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import Task, all_combinations, count, index_of, some_combinations
from dmrnet.modalities.combinations import MAX_TABLE

DEFAULT_MEASURE = Accuracy()

MOST_COMBINATIONS = 1023
"""Of more combinations than these, so many are drawn for evaluation, and the tables say so."""

NUMBERS_AT_ONCE = 1 << 22
"""Evaluation reads no more numbers of inputs at once than these, 16 MB in float32 ..."""

NUMBERS_IN_CACHE = 1 << 19
"""... and no more than these, if they are `FEW_SAMPLES`: what an encoder makes of them is larger
and should stay near the processor."""

FEW_SAMPLES = 32

MOST_SAMPLES_AT_ONCE = 512


def combinations_of(modalities: int) -> Tensor:
    """Return the combinations that are evaluated: all, or a fixed draw of them."""
    return some_combinations(modalities, MOST_COMBINATIONS, torch.Generator().manual_seed(0))


def samples_at_once(task: Task) -> int:
    """Return how many samples are encoded together in evaluation.

    >>> from dmrnet.modalities import Modality
    >>> samples_at_once(Task((Modality("rgb", "image", (3, 224, 224)),), ("a", "b")))
    27
    """
    numbers = sum(math.prod(modality.shape) for modality in task.inputs)
    wanted = max(FEW_SAMPLES, NUMBERS_IN_CACHE // numbers)
    return max(1, min(MOST_SAMPLES_AT_ONCE, NUMBERS_AT_ONCE // numbers, wanted))


@contextmanager
def named(where: str, dataset: Dataset) -> Iterator[None]:
    """Say where samples without a class are from, and their names where they have any."""
    try:
        yield
    except NoClassError as error:
        raise error.of(where, dataset.samples) from error


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
        model: In evaluation mode.
        dataset: The validation samples.
        budget: So many (sample, combination) pairs at the most.
        device: Where the model is.
        measure: What is averaged, accuracy by default; where its threshold is set on validation,
            it is set on what is scored here.
        complete: Score instead each sample once, with all that it has.
    """
    task = dataset.task
    modalities = len(task.modalities)
    if task.dense:
        return _of_images(model, dataset, budget, device, measure, complete)
    batches = (batch.to(device) for batch in evaluation_batches(dataset, samples_at_once(task)))
    if complete:
        sample = torch.tensor(spread(len(dataset), budget))
        pairs = Pairs(sample, index_of(dataset.present[sample]), modalities)
        if isinstance(measure, AttackErrors):
            return float(_of_pairs(score_pairs(model, batches, pairs), measure).nanmean())
        _, right, seen = evaluate_pairs(model, batches, pairs)
        return float(right.sum() / seen.sum())
    if modalities <= MAX_TABLE and len(dataset) * count(modalities) <= budget:
        combinations = all_combinations(modalities).to(device)
        keep = measure.threshold != "half"
        result = evaluate(model, batches, combinations, len(task.classes), keep=keep)
        if isinstance(measure, AttackErrors) and result.predictions is not None:
            result = measure.at(result, measure.thresholds(result.predictions))
        values, _ = measure.columns(result.confusion)[measure.name]
    else:
        pairs = draw_pairs(dataset.present, budget, torch.Generator().manual_seed(0))
        if isinstance(measure, AttackErrors):
            values = _of_pairs(score_pairs(model, batches, pairs), measure)
        else:
            _, right, seen = evaluate_pairs(model, batches, pairs)
            values = right / seen
    # NaN where no sample has all modalities of a combination.
    return float(values.nanmean())


def predicted_classes(
    model: Model, dataset: Dataset, combinations: Tensor, device: str | torch.device = "cpu"
) -> Tensor:
    """Return how often each class is predicted under each combination, int64 ``(K, M)``.

    Args:
        model: In evaluation mode.
        dataset: Samples, or images.
        combinations: bool ``(K, V)``.
        device: Where the model is.
    """
    task = dataset.task
    if task.dense:
        return score_images(model, dataset, combinations, device).confusion.sum(1).cpu()
    batches = (batch.to(device) for batch in evaluation_batches(dataset, samples_at_once(task)))
    result = evaluate(model, batches, combinations.to(device), len(task.classes))
    return result.confusion.sum(1).cpu()


def _of_images(
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


def _of_pairs(scored: ScoredPairs, measure: AttackErrors) -> Tensor:
    """Return the measure of each combination met, ``(K,)``."""
    found = []
    score = scored.probabilities[:, measure.bona_fide]
    for j in scored.combination.unique():
        here = scored.combination == j
        real = scored.target[here] == measure.bona_fide
        taken = score[here].double() > threshold_of(score[here], real, measure.threshold)
        cell = 2 * real.long() + taken.long()
        counts = cell.bincount(minlength=4).reshape(2, 2)
        found.append(error_rates(counts).acer)
    return torch.stack(found)


def better(measure: Measure, score: float, best: float | None) -> bool:
    """Whether a score is better than the best so far, if there is one that is defined."""
    if best is None or math.isnan(best):
        return True
    return score < best if measure.lower_is_better else score > best
