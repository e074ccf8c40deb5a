"""Stored results of a dense evaluation: counts and label maps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.engine.scores.rows import Line
from dmrnet.engine.scores.scoring import spread
from dmrnet.evaluation import PixelEvaluation, ious
from dmrnet.modalities import Task, name_of
from dmrnet.storage import npz_bytes

SHOWN = 3
"""Number of test images whose label maps are stored."""


def shown_rows(dataset: Dataset) -> list[int]:
    """Return the row numbers of the images whose label maps are stored."""
    return spread(len(dataset), SHOWN)


def class_lines(evaluation: PixelEvaluation, task: Task) -> Iterator[Line]:
    """Yield intersection over union of each class and combination, ``iou/CLASS``."""
    assert evaluation.scored is not None
    n = evaluation.scored.sum(1).tolist()
    names, values = _names(evaluation, task), ious(evaluation.confusion).tolist()
    for combination, of_classes, count in zip(names, values, n, strict=True):
        for label, value in zip(task.classes, of_classes, strict=True):
            yield combination, f"iou/{label}", value, count


def pack_counts(evaluation: PixelEvaluation, task: Task) -> bytes:
    """Return the content of ``predictions.npz``: confusion counts by image and combination."""
    assert evaluation.index is not None
    assert evaluation.scored is not None
    assert evaluation.counts is not None
    return npz_bytes(
        {
            "index": evaluation.index.numpy(),
            "combination": np.array(_names(evaluation, task)),
            "scored": evaluation.scored.numpy(),
            "confusion": evaluation.counts.numpy(),
        }
    )


def pack_label_maps(evaluation: PixelEvaluation, dataset: Dataset, inputs: bool) -> bytes | None:
    """Return the content of ``pictures.npz``: label maps of some images; None without any.

    Args:
        evaluation: Evaluation that kept the label maps.
        dataset: The images.
        inputs: Store the inputs as well, each from its darkest to its brightest value.
    """
    maps, task = evaluation.maps, dataset.task
    if maps is None:
        return None
    shown = dataset.take(maps.index).inputs if inputs else {}
    return npz_bytes(
        {
            **{f"input/{name}": as_bytes(x).numpy() for name, x in shown.items()},
            "index": maps.index.numpy(),
            "combination": np.array(_names(evaluation, task)),
            "classes": np.array(task.classes),
            "truth": maps.truth.numpy(),
            "predicted": maps.predicted.numpy(),
        }
    )


def as_bytes(images: Tensor) -> Tensor:
    """Return images ``(p, C, H, W)`` as uint8, each scaled from its least to its largest value.

    >>> as_bytes(torch.tensor([[[[-1.0, 1.0, 3.0]]]])).tolist()
    [[[[0, 128, 255]]]]
    """
    low, high = (f(images.flatten(1), 1).view(-1, 1, 1, 1) for f in (torch.amin, torch.amax))
    return ((images - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)


def _names(evaluation: PixelEvaluation, task: Task) -> list[str]:
    return [name_of(mask, task.modalities) for mask in evaluation.combinations.cpu()]
