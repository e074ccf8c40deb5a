"""Scoring data whose every pixel has a class: how much at once, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.rows import row_of
from dmrnet.evaluation import PixelEvaluation, Tiling, evaluate_pixels, ious
from dmrnet.evaluation.combinations import Model
from dmrnet.modalities import Inputs, Task, name_of
from dmrnet.settings.config import RunSettings

NUMBERS_AT_ONCE = 1 << 22
"""Whole images are read together up to so many numbers, 16 MB in float32."""

LARGEST = 2048
"""An image with a longer side than this is predicted in tiles of ..."""

TILE = 1024
"""... so many pixels a side."""

SHOWN = 3
"""Of so many test images label maps are kept."""


def tiling_of(size: Sequence[int], tile: int | None) -> Tiling | None:
    """Return how images of a size are parted: as asked for, or by their size.

    >>> tiling_of((966, 1296), None) is None, tiling_of((3000, 4000), None)
    (True, Tiling(side=1024, overlap=128))
    """
    if tile is not None:
        return Tiling(tile)
    return Tiling(TILE) if max(size) > LARGEST else None


def images_at_once(one: Inputs, most: int | None) -> int:
    """Return how many images are read together, by the size of one and as asked for."""
    fit = max(1, NUMBERS_AT_ONCE // sum(x.numel() for x in one.values()))
    return min(fit, most or fit)


def score_images(
    model: Model,
    dataset: Dataset,
    combinations: Tensor,
    device: str | torch.device = "cpu",
    *,
    rows: Tensor | None = None,
    batch_size: int | None = None,
    tile: int | None = None,
    show: Sequence[int] = (),
) -> PixelEvaluation:
    """Score combinations on whole images.

    Args:
        model: In evaluation mode.
        dataset: Images, of one size.
        combinations: bool ``(K, V)``.
        device: Where the model is.
        rows: int64: these images alone; by default every one.
        batch_size: Images encoded together at the most; fewer where they are large.
        tile: Side of the windows in which images are predicted; by default they are predicted
            whole unless they are very large.
        show: Numbers of images of which label maps are kept.
    """
    first = dataset.take(torch.zeros(1, dtype=torch.int64))
    size = images_at_once(first.inputs, batch_size)
    batches = (batch.to(device) for batch in evaluation_batches(dataset, size, rows=rows))
    return evaluate_pixels(
        model,
        batches,
        combinations.to(device),
        stride=model.stride,
        tiling=tiling_of(first.target.shape[1:], tile),
        show=show,
    )


def spread(number: int, most: int) -> list[int]:
    """Return at most so many of a number of rows, evenly spread, the same each time.

    >>> spread(21, 3), spread(2, 3)
    ([3, 10, 17], [0, 1])
    """
    most = min(number, most)
    return [(2 * k + 1) * number // (2 * most) for k in range(most)]


def rows_by_class(
    run: str, settings: RunSettings, split: str, found: PixelEvaluation, task: Task
) -> list[dict[str, Any]]:
    """Return intersection over union of each class and combination, ``iou/CLASS``."""
    assert found.scored is not None
    n = found.scored.sum(1).tolist()
    return [
        row_of(run, settings, split, name_of(mask, task.modalities), f"iou/{name}", values[c], n[k])
        for k, (mask, values) in enumerate(
            zip(found.combinations.cpu(), ious(found.confusion).tolist(), strict=True)
        )
        for c, name in enumerate(task.classes)
    ]


def packed(found: PixelEvaluation, task: Task) -> bytes:
    """Return what ``predictions.npz`` holds: confusion counts of every image and combination."""
    assert found.index is not None
    assert found.scored is not None
    assert found.counts is not None
    return _npz(
        index=found.index.numpy(),
        combination=_names(found, task),
        scored=found.scored.numpy(),
        confusion=found.counts.numpy(),
    )


def packed_maps(found: PixelEvaluation, dataset: Dataset, inputs: bool) -> bytes | None:
    """Return what ``pictures.npz`` holds: label maps of some images; None where none were kept.

    Args:
        found: With maps.
        dataset: The images.
        inputs: Keep what the modalities show as well, from the darkest to the brightest of each.
    """
    if found.maps is None:
        return None
    task = dataset.task
    seen = dataset.take(found.maps.index).inputs if inputs else {}
    return _npz(
        **{f"input/{name}": as_bytes(x).numpy() for name, x in seen.items()},
        index=found.maps.index.numpy(),
        combination=_names(found, task),
        classes=np.array(task.classes),
        truth=found.maps.truth.numpy(),
        predicted=found.maps.predicted.numpy(),
    )


def as_bytes(images: Tensor) -> Tensor:
    """Return images ``(p, C, H, W)`` as uint8, each from its own least to its own largest number.

    >>> as_bytes(torch.tensor([[[[-1.0, 1.0, 3.0]]]])).tolist()
    [[[[0, 128, 255]]]]
    """
    low, high = (f(images.flatten(1), 1).view(-1, 1, 1, 1) for f in (torch.amin, torch.amax))
    return ((images - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)


def _names(found: PixelEvaluation, task: Task) -> Any:  # noqa: ANN401
    return np.array([name_of(mask, task.modalities) for mask in found.combinations.cpu()])


def _npz(**arrays: Any) -> bytes:  # noqa: ANN401
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
