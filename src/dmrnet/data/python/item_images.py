"""Images with a class for every pixel that are read one by one; they may differ in size.

An image is a volume of one slice: sizes, labels and contents are those of `dmrnet.data.volumes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from dmrnet.data.checks.shift import with_shift_warnings
from dmrnet.data.dataset import Splits
from dmrnet.data.dense import LabelledImages
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.streaming import fit_streamed
from dmrnet.data.inputs.views import ImageView, View
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.tile_splits import OpenedImages, tile_splits
from dmrnet.data.volumes.options import OwnVolumes
from dmrnet.data.volumes.own import cell_counts, volumes_of
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.data.volumes.sources import Opened, without_ignored
from dmrnet.modalities import Batch, Task

if TYPE_CHECKING:
    from dmrnet.data.sets.images import Images


class ImageRows(VolumeRows, LabelledImages):
    """Some images, read when they are taken; one at a time where they differ in size."""

    view: View = ImageView({})

    def label_map(self, row: int) -> Array:
        """Return the class of every pixel of an image, int64 ``(H, W)``, -1 where it has none."""
        labels = self.raw_labels(row)
        assert labels is not None
        classes: Array = self.classes_of(labels)[0].numpy()
        return classes

    def cut(self, row: int, box: tuple[slice, slice]) -> dict[str, Tensor]:
        """Return a part of an image, float32 ``(C, h, w)`` a modality, and its ``labels``."""
        inputs, labels = self.read(row, (slice(0, 1), *box))
        return {name: x[:, 0] for name, x in inputs.items()} | {"labels": labels}

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read some images of one size; the epoch does not matter."""
        batch = super().take(rows, epoch)
        inputs = {name: x[:, :, 0] for name, x in batch.inputs.items()}
        return self._batch(inputs, rows, batch.target[:, 0])


class ItemImages(OpenedImages):
    """Images of a `LazyDataset`, which may differ in size; without labels if not `labelled`."""

    def __init__(
        self,
        source: str | Source,
        options: Images,
        task: Task | None = None,
        standardiser: Standardiser | None = None,
        labelled: bool = True,
    ) -> None:
        super().__init__(source, options)
        filled = options.cells != "refuse"
        if standardiser is not None:
            filled = standardiser.imputer is not None
        self.opened = Opened(
            source,
            options.rules,
            labelled=labelled,
            channels={one.name: one.shape[0] for one in task.inputs} if task else None,
            cells=filled,
            pixels=True,
        )
        scan = self.opened.scan
        self.path, self.groups = self.opened.path, self.opened.groups
        self.channels, self.present = scan.channels, scan.present
        self.labels = without_ignored(scan.labels, options.ignore)

    def count(self, numbers: Sequence[int]) -> Tensor:
        """Return the number of pixels of each class in each image."""
        self.numbers, self.index = numbers, self.opened.index(numbers)
        return self.index.voxels

    def smallest_side(self, rows: Tensor) -> int:
        """Return the smallest height or width of some images."""
        return int(self.index.sizes[rows, 1:].min())

    def fit(self, rows: Tensor) -> Standardiser:
        """Return the standardiser of some images."""
        for column, name in enumerate(self.channels):
            if not self.present[rows, column].any():
                raise ValueError(f"modality {name} is present in no training row; leave it out")
        volumes = volumes_of(self.opened, rows)
        return fit_streamed(volumes, self.index.modalities, self.options.cells)

    def cell_notes(self, role: str, rows: Tensor) -> list[str]:
        """Return sentences on the missing cells of some images."""
        cells = self.options.cells if role == "train" else None
        return cell_counts(role, self.opened, rows, cells)

    def part(self, role: str, rows: Tensor, task: Task, standardiser: Standardiser) -> ImageRows:
        """Return some images as a split, with its warnings."""
        images = ImageRows(
            task,
            self.opened.cases,
            self.index.of(rows),
            rows,
            OwnVolumes(ignore=self.options.ignore),
            standardiser=standardiser,
            numbers=self.numbers,
            path=self.path,
        )
        if (images.index.sizes != images.index.sizes[0]).any():
            images.sizes = images.index.sizes[:, 1:]
        usual = None if role == "train" else standardiser.constants()
        images.warnings = self.opened.doubts(role, rows.tolist(), usual)
        images.leave_out(self.opened.skipped)
        return images


def image_splits(
    options: Images,
    train: LazyDataset,
    val: Source | None,
    test: Source | None,
    seed: int,
) -> Splits:
    """Return the splits of images that are read one by one; see `tile_splits`.

    The splits, tiles and numbers are those of the same images in a `MultimodalDataset`.
    """
    splits = tile_splits(train.path, options, ItemImages(train, options), val, test, seed)
    names, whole = splits.train.task.modalities, options.classes is None
    return with_shift_warnings(replace(splits, columns=names, whole_labels=whole))
