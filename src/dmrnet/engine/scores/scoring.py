"""Scoring a data set: which combinations, how many samples at once, whole images or tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.evaluation import (
    Evaluation,
    NoClassError,
    PixelEvaluation,
    Tiling,
    evaluate,
    evaluate_pixels,
    evaluate_values,
)
from dmrnet.evaluation.combinations import Model
from dmrnet.evaluation.volumes.evaluate import evaluate_volumes
from dmrnet.evaluation.volumes.regions import main_regions
from dmrnet.evaluation.volumes.windows import Sliding
from dmrnet.modalities import Inputs, Task, some_combinations
from dmrnet.targets import target_of

MOST_COMBINATIONS = 1023
"""Above this number, a fixed random subset of this size is evaluated (noted in tables)."""

NUMBERS_AT_ONCE = 1 << 22
"""Evaluation reads at most this many input values at once, 16 MB in float32 ..."""

NUMBERS_IN_CACHE = 1 << 19
"""... and at most this many if that is `FEW_SAMPLES` or more: an encoder's maps of them are larger
and should stay in the processor's cache."""

FEW_SAMPLES = 32

MOST_SAMPLES_AT_ONCE = 512

MOST_PREDICTIONS = 50_000_000
"""Most probabilities (samples by combinations by classes) that are kept; of more, none are."""

LARGEST_SIDE = 2048
"""Images with a longer side, in pixels, are predicted in tiles by default."""

TILE_SIDE = 1024
"""Side of such a tile in pixels."""


def combinations_of(modalities: int) -> Tensor:
    """Return the combinations to evaluate, bool ``(K, V)``: all, or a fixed draw of them."""
    return some_combinations(modalities, MOST_COMBINATIONS, torch.Generator().manual_seed(0))


def keeps_predictions(dataset: Dataset, combinations: int) -> bool:
    """Return whether the probabilities of every sample and combination are kept."""
    numbers = len(dataset) * combinations * len(dataset.task.classes)
    return not dataset.task.dense and numbers <= MOST_PREDICTIONS


def samples_at_once(task: Task) -> int:
    """Return the number of samples to encode together in evaluation.

    >>> from dmrnet.modalities import Modality
    >>> samples_at_once(Task((Modality("rgb", "image", (3, 224, 224)),), ("a", "b")))
    27
    """
    numbers = sum(math.prod(modality.shape) for modality in task.inputs)
    wanted = max(FEW_SAMPLES, NUMBERS_IN_CACHE // numbers)
    return max(1, min(MOST_SAMPLES_AT_ONCE, NUMBERS_AT_ONCE // numbers, wanted))


def image_batches(
    dataset: Dataset, most: int | None, tile: int | None, row: int = 0
) -> tuple[int, Tiling | None]:
    """Return how many whole images are read together, and the tiling in which they are predicted.

    Args:
        dataset: Images with a class for every pixel.
        most: Most images together.
        tile: See `tiling_of`.
        row: An image to read.
    """
    first = dataset.take(torch.tensor([row])).inputs
    if dataset.sizes is not None:
        return 1, tiling_of(dataset.sizes.amax(0).tolist(), tile)
    size = next(iter(first.values())).shape[-2:]
    return images_at_once(first, most), tiling_of(size, tile)


def images_at_once(one: Inputs, most: int | None) -> int:
    """Return the number of images to encode together.

    Args:
        one: Inputs of one image.
        most: Upper bound; None for no other bound than the images' size.
    """
    fit = max(1, NUMBERS_AT_ONCE // sum(x.numel() for x in one.values()))
    return min(fit, most or fit)


def tiling_of(size: Sequence[int], tile: int | None) -> Tiling | None:
    """Return the tiling of images of a size; None to predict them whole.

    Args:
        size: Height and width.
        tile: Side of a tile; None for tiles only where images are very large.

    >>> tiling_of((966, 1296), None) is None, tiling_of((3000, 4000), None)
    (True, Tiling(side=1024, overlap=128))
    """
    if tile is not None:
        return Tiling(tile)
    return Tiling(TILE_SIDE) if max(size) > LARGEST_SIDE else None


def spread(number: int, most: int) -> list[int]:
    """Return at most `most` of a number of rows, evenly spread, the same each time.

    >>> spread(21, 3), spread(2, 3)
    ([3, 10, 17], [0, 1])
    """
    most = min(number, most)
    return [(2 * k + 1) * number // (2 * most) for k in range(most)]


@contextmanager
def naming_samples(where: str, dataset: Dataset) -> Iterator[None]:
    """Let a `NoClassError` say where its samples are from, and their names if they have any."""
    try:
        yield
    except NoClassError as error:
        raise error.located(where, dataset.samples) from error


def score(
    model: Model,
    dataset: Dataset,
    combinations: Tensor,
    device: str | torch.device = "cpu",
    *,
    batch_size: int | None = None,
    keep: bool = False,
) -> Evaluation:
    """Score combinations on all samples of a data set.

    Args:
        model: Model in evaluation mode.
        dataset: Samples, or images where every pixel has a class.
        combinations: bool ``(K, V)``.
        device: Device of the model.
        batch_size: Samples encoded together; by default by their size.
        keep: Keep the probabilities of every sample; not of images. Where no class is predicted,
            they are always kept.
    """
    task = dataset.task
    if task.dense:
        return score_images(model, dataset, combinations, device, batch_size=batch_size)
    read = evaluation_batches(dataset, batch_size or samples_at_once(task))
    batches, kind = (batch.to(device) for batch in read), target_of(task)
    if not kind.counts:
        return evaluate_values(model, batches, combinations.to(device), kind)
    return evaluate(
        model, batches, combinations.to(device), len(task.classes), keep=keep, kind=kind
    )


def sliding_of(dataset: Dataset) -> Sliding:
    """Return the windows in which the volumes of a data set are predicted: as large as patches."""
    overlap = dataset.overlap if isinstance(dataset, VolumeRows) else 0.5
    return Sliding(dataset.task.inputs[0].shape[1:], overlap)


def score_images(
    model: Model,
    dataset: Dataset,
    combinations: Tensor,
    device: str | torch.device = "cpu",
    *,
    rows: Tensor | None = None,
    batch_size: int | None = None,
    tile: int | None = None,
    distances: bool = False,
    show: Sequence[int] = (),
) -> PixelEvaluation:
    """Score combinations on whole images; on volumes one after the other, in sliding windows.

    Args:
        model: Model in evaluation mode.
        dataset: Images, or volumes.
        combinations: bool ``(K, V)``.
        device: Device of the model.
        rows: int64 row numbers of the images to score; by default all.
        batch_size: Most images encoded together; fewer where they are large.
        tile: Side of the tiles in which images are predicted; by default they are predicted whole
            unless they are very large.
        distances: Whether to compute HD95 of volumes, which takes longer than Dice.
        show: Row numbers of the images whose label maps are kept; of volumes those of a slice.

    Raises:
        ValueError: If there is a tile for volumes.
    """
    combinations = combinations.to(device)
    if dataset.task.axes == 3:
        if tile is not None:
            raise ValueError(
                "tile is for images; volumes are predicted in windows of a patch's size"
            )
        assert isinstance(dataset, VolumeRows)
        batches = (batch.to(device) for batch in evaluation_batches(dataset, 1, rows=rows))
        return evaluate_volumes(
            model,
            batches,
            combinations,
            sliding_of(dataset),
            regions=main_regions(dataset.task),
            extent=(lambda row: (dataset.spacing[row].tolist(), dataset.empty(row)))
            if distances
            else None,
            show=show,
        )
    size, tiling = image_batches(dataset, batch_size, tile)
    batches = (batch.to(device) for batch in evaluation_batches(dataset, size, rows=rows))
    return evaluate_pixels(
        model, batches, combinations, stride=model.stride, tiling=tiling, show=show
    )
