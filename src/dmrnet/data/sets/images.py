"""images: the user's own images with a class for every pixel, in ``.npz`` files.

`dmrnet.data.files.images` reads the files; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import OwnFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.archive import Archive
    from dmrnet.data.files.arrays.source import Source
    from dmrnet.data.files.images import ImageFile
    from dmrnet.data.inputs.standardise import Standardiser
    from dmrnet.data.mapped import MappedDataset
    from dmrnet.modalities import Modality, Task

STEP = 16
"""Tiles of images that are smaller than the set size have a side that is a multiple of this."""


@dataclass(frozen=True)
class Images(OwnFiles):
    """Settings of your own images with a class for every pixel, in files.

    A file has one array a modality, ``(n, C, H, W)``, ``(n, H, W, C)`` or ``(n, H, W)``, and ``y``,
    integers ``(n, H, W)``: the class of every pixel from 0, and below 0 where it has none. A row of
    NaN says that an image lacks the modality; so does ``present``, bool ``(n, V)``. ``samples`` may
    name the images.

    Attributes:
        classes: Names of the classes from 0 on; by default their numbers.
        labels: Number in ``y`` of each class, e.g. `0,1,2,4`; by default those of the training
            file, which count from 0 where classes are named.
        ignore: One more number in ``y`` that stands for no class, e.g. 255.
        tile: Height and width, in pixels, of a training tile; less where images are smaller.
        tiles: Number of tiles of each training image in an epoch, drawn anew in every epoch.
        seldom: Share of the tiles that are laid over a class other than the most frequent one; the
            others lie anywhere.
        weights: Class weights in the loss: none (all 1), median (median frequency over the
            frequency of a class), or root (the square root of that).
        augment: Augmentation of training tiles: none, mirror (flip left and right), or turn (also
            rotate by multiples of 90 degrees).
        cells: What stands for missing pixels, NaN in part of an image: the mean or median of their
            channel in training, or zero.
    """

    classes: list[str] | None = None
    labels: list[int] | None = field(default=None, kw_only=True)
    ignore: int = -1
    tile: int = 96
    tiles: int = 16
    seldom: float = 0.5
    weights: Literal["none", "root", "median"] = "none"
    augment: Literal["none", "mirror", "turn"] = "mirror"
    cells: Literal["refuse", "mean", "median", "zero"] = "refuse"

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the splits: tiles to train on, whole images to validate and test on."""
        import torch

        from dmrnet.data.checks.concerns import warnings_of
        from dmrnet.data.dataset import Splits
        from dmrnet.data.dense import TileDataset, class_weights
        from dmrnet.data.inputs.standardise import Standardiser
        from dmrnet.data.inputs.transforms import RandomFlip, Symmetry
        from dmrnet.data.pixel_labels import class_numbers, numbers_of_training
        from dmrnet.data.splits.groups import group_codes, hold_out_groups
        from dmrnet.data.splits.split import generator, hold_out
        from dmrnet.modalities import Modality, Task

        self._check()
        filled = self.cells != "refuse"
        images, labels = self._read_labelled(self.train, (), None, cells=filled)
        if "labels" in images.arrays:
            raise ValueError(f"{self.train}: a modality cannot have the name 'labels'; rename it")
        numbers, told = numbers_of_training(self.train, labels, self.classes, self.labels)
        classes = tuple(self.classes or map(str, numbers))
        labels = class_numbers(self.train, labels, numbers)
        pixels = pixels_of(labels, classes)
        rows, held = torch.arange(len(pixels)), torch.arange(0)
        if self.val is None:
            draw, most = generator(seed, "images", "val"), pixels.argmax(1)
            if images.groups is None:
                drawn = hold_out(most, self.val_share, draw)
            else:
                drawn = hold_out_groups(most, group_codes(images.groups), self.val_share, draw)
            rows, held = (~drawn).nonzero().flatten(), drawn.nonzero().flatten()
            if not len(held):
                raise ValueError(
                    f"{self.train}: {len(pixels)} images are too few to hold "
                    f"{100 * self.val_share:g} % out for validation; give val, or raise val_share"
                )
        side = self.tile
        if side > min(images.size):
            side = min(images.size) // STEP * STEP or min(images.size)
        task = Task(
            tuple(Modality(m.name, "image", (m.shape[0], side, side)) for m in images.inputs),
            classes,
            dense=True,
            class_weights=class_weights(pixels[rows], self.weights),
        )
        standardiser = Standardiser.fit(
            {name: array[rows] for name, array in images.arrays.items()},
            images.present[rows],
            task.modalities,
            self.cells,
        ).leave(self.left_unscaled)
        train = part(images, labels, pixels, task, standardiser, rows)
        if self.val is None:
            val = part(images, labels, pixels, task, standardiser, held)
        else:
            val = self._read(self.val, task, standardiser)
        test = None if self.test is None else self._read(self.test, task, standardiser)
        frequent = int(pixels[rows].sum(0).argmax())
        seldom = tuple(label for label in range(len(classes)) if label != frequent)
        change = {"none": None, "mirror": RandomFlip(), "turn": Symmetry()}[self.augment]
        tiles = TileDataset(train, side, self.tiles, seldom, self.seldom, seed, change)
        notes = (*self._notes(images, task, side, val, seed), *([told] if told else []))
        train.warnings = tuple(f"train: {note}" for note in images.warnings)
        for role, other in (("val", val), ("test", test)):
            if other is not None:
                other.warnings = tuple(
                    note.replace("file: ", f"{role}: ", 1) for note in other.warnings
                )
        warnings = warnings_of(train, val, test)
        return Splits("images", tiles, val, test, notes, standardiser, warnings=warnings)

    def read(
        self,
        path: str | Source,
        task: Task,
        standardiser: Standardiser | None,
        columns: Sequence[str] | None = None,
        need_target: bool = True,
    ) -> Dataset:
        """Read one more file of images, of any one size."""
        from dmrnet.data.files.archive import Archive

        if standardiser is None or not need_target or not isinstance(path, str | Archive):
            return super().read(path, task, standardiser, columns, need_target)
        return self._read(path, task, standardiser)

    def _read(self, path: str | Archive, task: Task, standardiser: Standardiser) -> MappedDataset:
        """Read one more file of images and their labels."""
        import torch

        from dmrnet.data.pixel_labels import class_numbers

        images, labels = self._read_labelled(
            path,
            task.inputs,
            standardiser.fine,
            standardiser.constants(),
            standardiser.imputer is not None,
        )
        where = path if isinstance(path, str) else path.path
        labels = class_numbers(where, labels, self._numbers(task))
        pixels = pixels_of(labels, task.classes)
        rows = torch.arange(len(labels))
        dataset = part(images, labels, pixels, task, standardiser, rows)
        dataset.warnings = tuple(f"file: {note}" for note in images.warnings)
        dataset.skipped = images.skipped
        return dataset

    def _read_labelled(
        self,
        path: str | Archive,
        known: tuple[Modality, ...],
        fine: Collection[str] | None,
        usual: Mapping[str, float] | None = None,
        cells: bool = False,
    ) -> tuple[ImageFile, Tensor]:
        """Return the content of a file, and its labels with -1 where a pixel has no class."""
        from dmrnet.data.files.images import read_image_file

        images = read_image_file(
            path,
            known,
            labelled=True,
            fine=fine,
            groups=self.groups,
            absent=self.absent,
            usual=usual,
            cells=cells,
        )
        assert images.labels is not None
        return images, images.labels.masked_fill(images.labels == self.ignore, -1).clamp(min=-1)

    def _numbers(self, task: Task) -> tuple[int, ...]:
        """Return the number in files of each class of a training."""
        if self.labels is not None:
            return tuple(self.labels)
        # Classes that are not named have their numbers as names.
        named = self.classes is not None or not all(name.isdecimal() for name in task.classes)
        return tuple(range(len(task.classes)) if named else map(int, task.classes))

    def _notes(
        self, images: ImageFile, task: Task, side: int, val: Dataset, seed: int
    ) -> tuple[str, ...]:
        """Say what was held out, how tiles are laid, and what is absent or missing."""
        from dmrnet.data.inputs.cells import cell_notes, count_missing

        notes = [
            f"trained on {self.tiles} tiles of {side} x {side} of each image an epoch; validated "
            "and tested on whole images"
        ]
        if self.val is None:
            share = f"{100 * self.val_share:g} %"
            wholly = "" if val.groups is None else f" in {len(set(val.groups))} whole groups"
            notes.insert(
                0, f"val: {share} of train held out{wholly} ({len(val)} images, seed {seed})"
            )
        for name, absent in zip(task.modalities, (~images.present).sum(0).tolist(), strict=True):
            if absent:
                notes.append(f"train: {name} is absent in {absent} of {len(images.present)} images")
        if self.cells != "refuse":
            missing = count_missing(images.arrays, images.present, images.inputs)
            notes += cell_notes("train", missing, self.cells)
        return tuple(notes)

    def _check(self) -> None:
        for name in ("tile", "tiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"images: expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("seldom", "val_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"images: expected {name} from 0 to 1, got {getattr(self, name)}")


def pixels_of(labels: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Return the number of pixels of each class in each image of a file, int64 ``(n, M)``."""
    import torch

    return torch.stack([one[one >= 0].bincount(minlength=len(classes)) for one in labels])


def part(
    images: ImageFile,
    labels: Tensor,
    pixels: Tensor,
    task: Task,
    standardiser: Standardiser,
    rows: Tensor,
) -> MappedDataset:
    """Return some rows of a file as a data set."""
    import torch

    from dmrnet.data.checks.overlap import row_hashes
    from dmrnet.data.dataset import fingerprint_of_arrays
    from dmrnet.data.inputs.views import ImageView
    from dmrnet.data.mapped import MappedDataset

    labels, present = labels[rows], images.present[rows]
    arrays = {name: images.arrays[name][rows] for name in task.modalities}
    content = fingerprint_of_arrays({**arrays, "y": labels})
    hashes = row_hashes(list(arrays.values()), present)
    stored = {
        name: standardiser.apply(name, array, present[:, column]).numpy()
        for column, (name, array) in enumerate(arrays.items())
    }
    stored["labels"] = labels[:, None].numpy()
    names = images.samples or [str(row) for row in range(len(images.present))]
    names = [names[row] for row in rows.tolist()]
    stored_rows = torch.arange(len(rows))
    dataset = MappedDataset(task, stored, stored_rows, pixels[rows], names, ImageView({}), content)
    dataset.present, dataset.row_hashes = present, hashes
    dataset.groups = images.groups and tuple(images.groups[row] for row in rows.tolist())
    return dataset
