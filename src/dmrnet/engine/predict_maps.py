"""A finished run whose every pixel has a class gives label maps of images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.pixels import images_at_once, tiling_of
from dmrnet.engine.training.selection import named
from dmrnet.evaluation import predict_pixels

if TYPE_CHECKING:
    from dmrnet.engine.finished import Finished


def label_maps(
    run: Finished,
    dataset: Dataset,
    rows: Tensor,
    seen: Tensor,
    batch_size: int | None = None,
    tile: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Predict images, some at a time.

    Args:
        run: What predicts.
        dataset: The images, of one size.
        rows: int64 ``(m,)``: which of them.
        seen: bool ``(V,)``: what may be seen; of each image what it has of that.
        batch_size: Images a step at the most; fewer where they are large.
        tile: Side of the windows in which images are predicted; by default they are predicted
            whole unless they are very large.

    Yields:
        Rows, int64 ``(b,)``, and the class of every pixel, uint8 ``(b, H, W)``.

    Raises:
        NoClassError: If the largest logit of a pixel is NaN or infinite.
    """
    first = dataset.take(rows[:1]).inputs
    size = images_at_once(first, batch_size)
    tiling = tiling_of(next(iter(first.values())).shape[-2:], tile)
    for batch in evaluation_batches(dataset, size, rows=rows):
        mask = batch.present & seen
        here = batch.masked(mask, mask, run.task.modalities).to(run.device)
        stride = run.method.stride
        with named("", dataset):
            maps = predict_pixels(run.method, here, stride=stride, tiling=tiling)
        yield batch.index, maps
