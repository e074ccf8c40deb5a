"""Stored counts of an evaluation whose predictions are too many to be kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.evaluation import Evaluation
from dmrnet.modalities import name_of
from dmrnet.storage import npz_bytes

MOST_COUNTS = 20_000_000
"""Most counts (combinations by classes by classes) that are stored; of more, those with all
modalities or one."""


def pack_confusion(
    result: Evaluation, modalities: Sequence[str], labels: Tensor | None = None
) -> bytes | None:
    """Return the content of ``confusion.npz``: true by predicted classes of each combination.

    Args:
        result: Evaluation; of labels, with predictions.
        modalities: V names.
        labels: Bool tensor of shape ``(K, n, M)``, which labels are predicted; None where one
            class is.

    Returns:
        Arrays ``combination``, text ``(K,)``, and ``confusion``, int64 ``(K, M, M)``, or of labels
        ``(K, M, 2, 2)`` with the label at 1; None where numbers are predicted.
    """
    masks = result.combinations.cpu()
    if labels is not None:
        counts = label_counts(result, labels)
    else:
        counts = result.confusion.cpu()
        if counts.shape[1] < 2:
            return None
    if counts.numel() > MOST_COUNTS:
        some = masks.sum(1) == 1
        some |= masks.all(1)
        masks, counts = masks[some], counts[some]
    names = [name_of(mask, tuple(modalities)) for mask in masks]
    return npz_bytes({"combination": np.array(names), "confusion": counts.numpy()})


def label_counts(result: Evaluation, labels: Tensor) -> Tensor:
    """Count for each label who has it by who is predicted to have it, int64 ``(K, M, 2, 2)``."""
    kept = result.predictions
    assert kept is not None
    truth = kept.target > 0
    counts = torch.zeros(len(labels), truth.shape[1], 2, 2, dtype=torch.int64)
    for row, (values, some) in enumerate(zip(labels.bool(), kept.scored, strict=True)):
        for has in (False, True):
            for predicted in (False, True):
                cells = (truth[some] == has) & (values[some] == predicted)
                counts[row, :, int(has), int(predicted)] = cells.sum(0)
    return counts
