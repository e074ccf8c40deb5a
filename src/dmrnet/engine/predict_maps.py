"""Label maps of images or volumes, predicted by a finished run whose every pixel has a class."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.engine.predict import Predictable
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import (
    image_batches,
    naming_samples,
    sliding_of,
)
from dmrnet.evaluation import predict_pixels
from dmrnet.evaluation.dense.label_maps import pixel_probabilities
from dmrnet.evaluation.volumes.label_volumes import predict_volumes, voxel_probabilities


def label_maps(
    run: FinishedRun,
    dataset: Dataset,
    rows: Tensor,
    visible: Tensor,
    batch_size: int | None = None,
    tile: int | None = None,
    probabilities: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Predict images batch by batch, each from the visible modalities that it has.

    Args:
        run: Run that predicts.
        dataset: Images, or volumes.
        rows: int64 ``(m,)`` row numbers of the images to predict.
        visible: bool ``(V,)``, True for modalities that may be used.
        batch_size: Most images predicted together; fewer where they are large.
        tile: Side of the tiles in which images are predicted; by default they are predicted whole
            unless they are very large. Volumes are predicted one by one in windows.
        probabilities: Whether to yield the probability of each class in place of the class.

    Yields:
        Row numbers, int64 ``(b,)``, and the class of every pixel, uint8 ``(b, H, W)``, or voxel,
        ``(1, D, H, W)``; or its probabilities, float32 ``(b, M, H, W)`` or ``(1, M, D, H, W)``.

    Raises:
        NoClassError: If the largest logit of a pixel is NaN or infinite.
    """
    samples = Predictable(run, dataset, rows, visible)
    if dataset.task.axes == 3:
        if tile is not None:
            raise ValueError("tile is for images; volumes have windows of a patch's size")
        sliding = sliding_of(dataset)
        for batch in samples.batches(1):
            with naming_samples("", dataset):
                predict = voxel_probabilities if probabilities else predict_volumes
                maps = predict(run.method, batch, sliding)
            yield batch.index.cpu(), maps.cpu()
        return
    size, tiling = image_batches(dataset, batch_size, tile, int(rows[0]))
    for batch in samples.batches(size):
        with naming_samples("", dataset):
            of_batch = pixel_probabilities if probabilities else predict_pixels
            maps = of_batch(run.method, batch, stride=run.method.stride, tiling=tiling)
        yield batch.index.cpu(), maps
