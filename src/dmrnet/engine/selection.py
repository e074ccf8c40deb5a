"""Selection on validation, over combinations: which epoch's weights are kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.evaluation import accuracy, draw_pairs, evaluate, evaluate_pairs, worst
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import all_combinations, count, index_of
from dmrnet.modalities.combinations import MAX_TABLE


@dataclass(frozen=True)
class Selection:
    """How a model does on validation.

    Attributes:
        average: Mean accuracy over combinations.
        combinations: bool ``(K, V)``: those that were scored.
        accuracies: float64 ``(K,)``.
    """

    average: float
    combinations: Tensor
    accuracies: Tensor

    def worst(self, k: int) -> Tensor:
        """Return bool ``(2^V,)`` by index j: the k combinations of lowest accuracy."""
        chosen = torch.zeros(1 << self.combinations.shape[1], dtype=torch.bool)
        chosen[index_of(self.combinations)] = worst(self.accuracies, k)
        return chosen


def select(
    model: Model, dataset: Dataset, budget: int, batch_size: int = 512, device: str = "cpu"
) -> Selection:
    """Score a model on validation: every combination where they fit, else fixed pairs.

    Args:
        model: In evaluation mode.
        dataset: The validation samples.
        budget: So many (sample, combination) pairs at the most.
        batch_size: Samples encoded together.
        device: Where the model is.
    """
    modalities = len(dataset.task.modalities)
    classes = len(dataset.task.classes)
    batches = (batch.to(device) for batch in evaluation_batches(dataset, batch_size))
    total = count(modalities)
    if modalities <= MAX_TABLE and len(dataset) * total <= budget:
        result = evaluate(model, batches, all_combinations(modalities).to(device), classes)
        accuracies = accuracy(result.confusion).cpu()
        combinations = result.combinations.cpu()
    else:
        pairs = draw_pairs(dataset.present, budget, torch.Generator().manual_seed(0))
        combinations, right, seen = evaluate_pairs(model, batches, pairs)
        accuracies = right / seen
    scored = accuracies[~accuracies.isnan()]
    return Selection(float(scored.mean()), combinations, accuracies)
