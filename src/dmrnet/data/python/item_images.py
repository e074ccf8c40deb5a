"""Images with a class for every pixel that are read one by one; they may differ in size.

An image is a volume of one slice: sizes, labels and contents are those of `dmrnet.data.volumes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dmrnet.data.checks.concerns import warnings_of
from dmrnet.data.checks.shift import with_shift_warnings
from dmrnet.data.dataset import Splits
from dmrnet.data.dense import class_weights, hold_out_images, tile_side, training_tiles
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.streaming import fit_streamed
from dmrnet.data.inputs.views import ImageView, View
from dmrnet.data.pixel_labels import numbers_of_training
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.volumes.own import cell_counts, volumes_of
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.data.volumes.sources import Opened, without_ignored
from dmrnet.modalities import Batch, Modality, Task

if TYPE_CHECKING:
    from dmrnet.data.sets.images import Images


class ImageRows(VolumeRows):
    """Some images, read when they are taken; one at a time where they differ in size."""

    view: View = ImageView({})

    @classmethod
    def of(
        cls,
        opened: Opened,
        rows: Tensor,
        task: Task,
        numbers: Sequence[int],
        options: Images,
        standardiser: Standardiser,
    ) -> ImageRows:
        """Return some images of a source.

        Args:
            opened: The source.
            rows: int64 ``(n,)``, their numbers in the source.
            task: Task of the training.
            numbers: Label of each class.
            options: How images are read.
            standardiser: Standardiser of the training.
        """
        images = cls(
            task,
            opened.cases,
            opened.index(numbers).of(rows),
            rows,
            standardiser=standardiser,
            numbers=numbers,
            ignore=options.ignore,
            path=opened.path,
        )
        if (images.index.sizes != images.index.sizes[0]).any():
            images.sizes = images.index.sizes[:, 1:]
        return images

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


def image_splits(
    options: Images,
    train: LazyDataset,
    val: LazyDataset | None,
    test: LazyDataset | None,
    seed: int,
) -> Splits:
    """Return tiles to train on, and whole images to validate and test on.

    The splits, tiles and numbers are those of the same images in a `MultimodalDataset`.

    Args:
        options: How images are cut, and what labels mean.
        train: Training images.
        val: Validation images; None holds out a share of the training images.
        test: Test images, if there are any.
        seed: Seed of the run.

    Raises:
        ValueError: If something is wrong with the images or the options.
    """
    cells = options.cells != "refuse"
    opened = Opened(train, labelled=True, absent=options.absent, cells=cells, pixels=True)
    if "labels" in opened.scan.channels:
        raise ValueError(f"{opened.path}: a modality cannot have the name 'labels'; rename it")
    labels = without_ignored(opened.scan.labels, options.ignore)
    numbers, label_note = numbers_of_training(opened.path, labels, options.classes, options.labels)
    classes, index = tuple(options.classes or map(str, numbers)), opened.index(numbers)
    rows, held = torch.arange(len(index)), torch.arange(0)
    if val is None:
        rows, held = hold_out_images(
            opened.path, index.voxels, index.groups, options.val_share, seed
        )
    for column, name in enumerate(index.modalities):
        if not index.present[rows, column].any():
            raise ValueError(f"modality {name} is present in no training row; leave it out")
    side = tile_side(options.tile, int(index.sizes[rows, 1:].min()))
    task = Task(
        tuple(Modality(name, "image", (c, side, side)) for name, c in index.channels.items()),
        classes,
        dense=True,
        class_weights=class_weights(index.voxels[rows], options.weights),
    )
    volumes = volumes_of(opened, rows)
    standardiser = fit_streamed(volumes, index.modalities, options.cells)
    standardiser.leave(options.left_unscaled)
    training = ImageRows.of(opened, rows, task, numbers, options, standardiser)
    parts = {
        role: None if source is None else read_item_images(source, task, standardiser, options)
        for role, source in (("val", val), ("test", test))
    }
    training.warnings = opened.doubts("train", rows.tolist())
    for role, part in parts.items():
        if part is not None:
            part.warnings = tuple(one.replace("file: ", f"{role}: ", 1) for one in part.warnings)
    validation = parts["val"]
    if validation is None:
        validation = ImageRows.of(opened, held, task, numbers, options, standardiser)
        validation.warnings = opened.doubts("val", held.tolist(), standardiser.constants())
    tiles = training_tiles(training, index.voxels[rows], side, options, seed)
    notes = [
        f"trained on {options.tiles} tiles of {side} x {side} of each image an epoch; validated "
        "and tested on whole images",
        *([label_note] if label_note else []),
    ]
    if val is None:
        wholly = ""
        if validation.groups is not None:
            wholly = f" in {len(set(validation.groups))} whole groups"
        share = f"{100 * options.val_share:g} %"
        notes.insert(0, f"val: {share} of train held out{wholly} ({len(held)} images, seed {seed})")
    for role, some in (("train", rows), ("val", held)):
        present = index.present[some]
        for name, absent in zip(task.modalities, (~present).sum(0).tolist(), strict=True):
            if absent:
                notes.append(f"{role}: {name} is absent in {absent} of {len(some)} images")
        if len(some):
            notes += cell_counts(role, opened, some, options.cells if role == "train" else None)
    warnings = warnings_of(training, validation, parts["test"])
    return with_shift_warnings(
        Splits(
            train.path,
            tiles,
            validation,
            parts["test"],
            tuple(notes),
            standardiser,
            columns=task.modalities,
            whole_labels=options.classes is None,
            warnings=warnings,
        )
    )


def read_item_images(
    source: LazyDataset,
    task: Task,
    standardiser: Standardiser,
    options: Images,
    need_target: bool = True,
) -> ImageRows:
    """Read further images as a training read its own; they may have any size.

    Args:
        source: The images.
        task: Task of the training.
        standardiser: Standardiser of the training.
        options: How images are read.
        need_target: Whether every image must have labels; else they are not read.

    Raises:
        ValueError: If something is wrong with the images; the message says which and where.
    """
    opened = Opened(
        source,
        labelled=need_target,
        channels={modality.name: modality.shape[0] for modality in task.inputs},
        absent=options.absent,
        cells=standardiser.imputer is not None,
        pixels=True,
    )
    rows = torch.arange(len(opened.names))
    numbers = options.label_numbers(task)
    images = ImageRows.of(opened, rows, task, numbers, options, standardiser)
    images.warnings = opened.doubts("file", rows.tolist(), standardiser.constants())
    images.leave_out(opened.skipped)
    return images
