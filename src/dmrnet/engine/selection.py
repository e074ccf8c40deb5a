"""Selection on validation, over combinations: which epoch's weights are kept; what is scored."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.evaluation import accuracy, draw_pairs, evaluate, evaluate_pairs
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import Task, all_combinations, count, some_combinations
from dmrnet.modalities.combinations import MAX_TABLE

MOST_COMBINATIONS = 1023
"""Of more combinations than these, so many are drawn for evaluation, and the tables say so."""

NUMBERS_AT_ONCE = 1 << 22
"""Evaluation reads so many numbers of inputs at once, 16 MB in float32 ..."""

MOST_SAMPLES_AT_ONCE = 512
"""... and no more samples than these."""


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
    return max(1, min(MOST_SAMPLES_AT_ONCE, NUMBERS_AT_ONCE // numbers))


def selection_score(model: Model, dataset: Dataset, budget: int, device: str = "cpu") -> float:
    """Return the mean accuracy over combinations: of all where they fit, else of fixed pairs.

    Args:
        model: In evaluation mode.
        dataset: The validation samples.
        budget: So many (sample, combination) pairs at the most.
        device: Where the model is.
    """
    task = dataset.task
    modalities = len(task.modalities)
    batches = (batch.to(device) for batch in evaluation_batches(dataset, samples_at_once(task)))
    if modalities <= MAX_TABLE and len(dataset) * count(modalities) <= budget:
        combinations = all_combinations(modalities).to(device)
        accuracies = accuracy(evaluate(model, batches, combinations, len(task.classes)).confusion)
    else:
        pairs = draw_pairs(dataset.present, budget, torch.Generator().manual_seed(0))
        _, right, seen = evaluate_pairs(model, batches, pairs)
        accuracies = right / seen
    # NaN where no sample has all modalities of a combination.
    return float(accuracies.nanmean())
