"""Splits of images with a class for every pixel: tiles to train on, whole images to score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dmrnet.data.checks.concerns import absences, warnings_of
from dmrnet.data.dataset import Splits
from dmrnet.data.dense import LabelledImages, TileDataset, class_weights, tile_side
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.transforms import RandomFlip, Symmetry
from dmrnet.data.pixel_labels import numbers_of_training
from dmrnet.data.splits.groups import hold_out_rows
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Modality, Task

if TYPE_CHECKING:
    from dmrnet.data.sets.images import Images


class OpenedImages(ABC):
    """Images and their labels, in memory or read one by one.

    Args:
        source: The images.
        options: How images are read, and what labels mean.
        task: Task of the training; None for training images.
        standardiser: Standardiser of the training; None for training images.

    Attributes:
        path: Name of the images, for messages.
        channels: Number of channels of each of V modalities, in order.
        present: Bool ``(n, V)``, True where an image has the modality.
        labels: Labels that occur, int64; negative where a pixel has no class.
        groups: Group of each image; None where images are independent.
    """

    path: str
    channels: Mapping[str, int]
    present: Tensor
    labels: Tensor
    groups: tuple[str, ...] | None

    @abstractmethod
    def __init__(
        self,
        source: str | Source,
        options: Images,
        task: Task | None = None,
        standardiser: Standardiser | None = None,
    ) -> None:
        self.options = options

    @abstractmethod
    def count(self, numbers: Sequence[int]) -> Tensor:
        """Return the number of pixels of each class in each image, int64 ``(n, M)``.

        Args:
            numbers: Label of each class, also for `part`.
        """

    @abstractmethod
    def smallest_side(self, rows: Tensor) -> int:
        """Return the smallest height or width of some images."""

    @abstractmethod
    def fit(self, rows: Tensor) -> Standardiser:
        """Return the standardiser of some images; raise `ValueError` if a modality is in none."""

    @abstractmethod
    def cell_notes(self, role: str, rows: Tensor) -> list[str]:
        """Return sentences on the missing cells of some images."""

    @abstractmethod
    def part(
        self, role: str, rows: Tensor, task: Task, standardiser: Standardiser
    ) -> LabelledImages:
        """Return some images as a split, with its warnings."""

    def whole(self, task: Task, standardiser: Standardiser) -> LabelledImages:
        """Return all images as a training reads further ones; `task` is that of the training."""
        self.count(self.options.label_numbers(task))
        return self.part("file", torch.arange(len(self.present)), task, standardiser)


def tile_splits(
    name: str,
    options: Images,
    training: OpenedImages,
    val: str | Source | None,
    test: str | Source | None,
    seed: int,
) -> Splits:
    """Return tiles to train on, and whole images to validate and test on.

    Args:
        name: Name of the data set.
        options: How images are cut, and what labels mean.
        training: Training images.
        val: Validation images; None holds out a share of the training images.
        test: Test images, if there are any.
        seed: Seed of the run.

    Raises:
        ValueError: If something is wrong with the images or the options.
    """
    if "labels" in training.channels:
        raise ValueError(f"{training.path}: a modality cannot have the name 'labels'; rename it")
    numbers, label_note = numbers_of_training(
        training.path, training.labels, options.classes, options.labels
    )
    pixels = training.count(numbers)
    rows = {"train": torch.arange(len(pixels))}
    if val is None:
        rows = _held_out(training, pixels, options.val_share, seed)
    mine = pixels[rows["train"]]
    side = tile_side(options.tile, training.smallest_side(rows["train"]))
    task = Task(
        tuple(Modality(one, "image", (c, side, side)) for one, c in training.channels.items()),
        tuple(options.classes or map(str, numbers)),
        dense=True,
        class_weights=class_weights(mine, options.weights),
    )
    standardiser = training.fit(rows["train"]).leave(options.left_unscaled)
    parts = {role: training.part(role, some, task, standardiser) for role, some in rows.items()}
    for role, source in (("val", val), ("test", test)):
        if source is not None:
            part = type(training)(source, options, task, standardiser).whole(task, standardiser)
            part.warnings = tuple(one.replace("file: ", f"{role}: ", 1) for one in part.warnings)
            parts[role] = part
    commonest = int(mine.sum(0).argmax())
    seldom = [label for label in range(len(task.classes)) if label != commonest]
    change = {"none": None, "mirror": RandomFlip(), "turn": Symmetry()}[options.augment]
    tiles = TileDataset(parts["train"], side, options.tiles, seldom, options.seldom, seed, change)
    notes = [
        f"trained on {options.tiles} tiles of {side} x {side} of each image an epoch; validated "
        "and tested on whole images"
    ]
    if val is None:
        share, groups, held = f"{100 * options.val_share:g} %", parts["val"].groups, rows["val"]
        wholly = "" if groups is None else f" in {len(set(groups))} whole groups"
        notes.insert(0, f"val: {share} of train held out{wholly} ({len(held)} images, seed {seed})")
    for role, some in rows.items():
        notes += absences(role, training.present[some], task.modalities, "images")
        notes += training.cell_notes(role, some)
    return Splits(
        name,
        tiles,
        parts["val"],
        parts.get("test"),
        (*notes, *([label_note] if label_note else [])),
        standardiser,
        warnings=warnings_of(parts["train"], parts["val"], parts.get("test")),
    )


def _held_out(training: OpenedImages, pixels: Tensor, share: float, seed: int) -> dict[str, Tensor]:
    """Return the images to train on and those held out, stratified by their commonest class.

    Raises:
        ValueError: If there are too few images.
    """
    draw = generator(seed, "images", "val")
    drawn = hold_out_rows(pixels.argmax(1), training.groups, share, draw)
    if not drawn.any():
        raise ValueError(
            f"{training.path}: {len(pixels)} images are too few to hold {100 * share:g} % out for "
            "validation; give val, or raise val_share"
        )
    return {"train": (~drawn).nonzero().flatten(), "val": drawn.nonzero().flatten()}
