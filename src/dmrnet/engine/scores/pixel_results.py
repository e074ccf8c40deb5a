"""Stored results of a dense evaluation: counts and label maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.engine.scores.rows import Line
from dmrnet.engine.scores.scoring import spread
from dmrnet.evaluation import PixelEvaluation, ious
from dmrnet.evaluation.dense.pixels import framed
from dmrnet.evaluation.volumes.evaluate import VolumeEvaluation
from dmrnet.evaluation.volumes.regions import main_regions, region_dice
from dmrnet.modalities import Task, name_of
from dmrnet.storage import npz_bytes

SHOWN = 3
"""Number of test images whose label maps are stored."""


def shown_rows(dataset: Dataset) -> list[int]:
    """Return the row numbers of the images whose label maps are stored."""
    return spread(len(dataset), SHOWN)


def region_values(evaluation: VolumeEvaluation, task: Task) -> Tensor:
    """Return the score of each volume, the mean Dice of the regions, float64 ``(K, n)``."""
    return torch.stack(
        [region_dice(evaluation.counts, numbers) for _, numbers in main_regions(task)]
    ).mean(0)


def class_lines(evaluation: PixelEvaluation, task: Task) -> Iterator[Line]:
    """Yield intersection over union of each class and combination, ``iou/CLASS``; not of volumes.

    The measure of volumes has the Dice of each class already.
    """
    if isinstance(evaluation, VolumeEvaluation):
        return
    n = evaluation.scored.sum(1).tolist()
    names, values = _names(evaluation, task), ious(evaluation.confusion).tolist()
    for combination, of_classes, count in zip(names, values, n, strict=True):
        for label, value in zip(task.classes, of_classes, strict=True):
            yield combination, f"iou/{label}", value, count


def pack_counts(evaluation: PixelEvaluation, task: Task) -> bytes:
    """Return the content of ``predictions.npz``: confusion counts by image and combination.

    Of volumes also ``dice``, the score of each, and HD95 of each region, ``hd95``.
    """
    more: dict[str, Any] = {}
    if isinstance(evaluation, VolumeEvaluation):
        more["dice"] = region_values(evaluation, task).numpy()
        if evaluation.distances is not None:
            more["regions"] = np.array([name for name, _ in evaluation.regions])
            more["hd95"] = evaluation.distances.numpy()
    return npz_bytes(
        {
            "index": evaluation.index.numpy(),
            "combination": np.array(_names(evaluation, task)),
            "scored": evaluation.scored.numpy(),
            "confusion": evaluation.counts.numpy(),
            **more,
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
    shown: Mapping[str, Tensor] = {}
    if inputs and isinstance(evaluation, VolumeEvaluation):
        shown = _slices(evaluation, dataset)
    elif inputs:
        shown = _whole(evaluation, dataset)
    of_volumes: dict[str, Any] = {}
    if isinstance(evaluation, VolumeEvaluation) and evaluation.slices is not None:
        names = dataset.samples or [str(row) for row in range(len(dataset))]
        of_volumes["slice"] = evaluation.slices.numpy()
        of_volumes["sample"] = np.array([names[row] for row in maps.index.tolist()])
    return npz_bytes(
        {
            **of_volumes,
            **{f"input/{name}": as_bytes(x).numpy() for name, x in shown.items()},
            "index": maps.index.numpy(),
            "combination": np.array(_names(evaluation, task)),
            "classes": np.array(task.classes),
            "truth": maps.truth.numpy(),
            "predicted": maps.predicted.numpy(),
        }
    )


def _whole(evaluation: PixelEvaluation, dataset: Dataset) -> dict[str, Tensor]:
    """Return the inputs of the images that are shown, ``(p, C, H, W)``, at the upper left."""
    maps = evaluation.maps
    assert maps is not None
    if dataset.sizes is None:
        return dict(dataset.take(maps.index).inputs)
    size, inputs = maps.truth.shape[1:], [dataset.take(row).inputs for row in maps.index.split(1)]
    return {
        name: torch.cat([framed(one[name], size, float(one[name].min())) for one in inputs])
        for name in dataset.task.modalities
    }


def _slices(evaluation: VolumeEvaluation, dataset: Dataset) -> dict[str, Tensor]:
    """Return the inputs of the slices that are shown, ``(p, C, H, W)``, first channels only."""
    maps, depths = evaluation.maps, evaluation.slices
    assert maps is not None
    assert depths is not None
    height, width = maps.truth.shape[1:]
    slices: dict[str, list[Tensor]] = {name: [] for name in dataset.task.modalities}
    for row, depth in zip(maps.index.tolist(), depths.tolist(), strict=True):
        for name, x in dataset.take(torch.tensor([row])).inputs.items():
            plane = x[0, :1, depth]
            slices[name].append(framed(plane, (height, width), float(plane.min())))
    return {name: torch.stack(planes) for name, planes in slices.items()}


def as_bytes(images: Tensor) -> Tensor:
    """Return images ``(p, C, H, W)`` as uint8, each scaled from its least to its largest value.

    >>> as_bytes(torch.tensor([[[[-1.0, 1.0, 3.0]]]])).tolist()
    [[[[0, 128, 255]]]]
    """
    low, high = (f(images.flatten(1), 1).view(-1, 1, 1, 1) for f in (torch.amin, torch.amax))
    return ((images - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)


def _names(evaluation: PixelEvaluation, task: Task) -> list[str]:
    return [name_of(mask, task.modalities) for mask in evaluation.combinations.cpu()]
