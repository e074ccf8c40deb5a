"""images: the user's own images with a class for every pixel, in ``.npz`` files.

`dmrnet.data.files.images` reads the files; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from dmrnet.data.filling import Cells
from dmrnet.data.sets.base import OwnFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.arrays.source import ArraySource, Source
    from dmrnet.data.files.images import ImageFile
    from dmrnet.data.inputs.standardise import Standardiser
    from dmrnet.data.mapped import MappedDataset
    from dmrnet.modalities import Modality, Task

PixelCells = Literal["refuse", "mean", "median", "zero"]
"""Values that may replace missing pixels."""


@dataclass(frozen=True)
class Images(OwnFiles):
    """Settings of your own images with a class for every pixel, in files.

    A file has one array per modality, ``(n, C, H, W)``, ``(n, H, W, C)`` or ``(n, H, W)``; and
    ``y``, integers ``(n, H, W)``: the class of every pixel from 0, and below 0 where it has none. A
    row of NaN says that an image lacks the modality; so does ``present``, bool ``(n, V)``.
    ``samples`` may name the images.

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
    cells: PixelCells = "refuse"

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    @property
    def images(self) -> Images:
        """These settings."""
        return self

    def load(self, seed: int) -> Splits:
        """Return the splits: tiles to train on, whole images to validate and test on."""
        return self.load_from("images", self.train, self.val, self.test, seed)

    def load_from(
        self,
        name: str,
        train: str | ArraySource,
        val: str | ArraySource | None,
        test: str | ArraySource | None,
        seed: int,
    ) -> Splits:
        """Return the splits of files, or of data of Python, under the name of a data set."""
        import torch

        from dmrnet.data.checks.concerns import warnings_of
        from dmrnet.data.dataset import Splits
        from dmrnet.data.dense import class_weights, hold_out_images, tile_side, training_tiles
        from dmrnet.data.inputs.standardise import Standardiser
        from dmrnet.data.pixel_labels import class_numbers, numbers_of_training
        from dmrnet.modalities import Modality, Task

        self._check()
        filled = self.cells != "refuse"
        path = train if isinstance(train, str) else train.path
        images, labels = self._read_labelled(train, (), None, cells=filled)
        if "labels" in images.arrays:
            raise ValueError(f"{path}: a modality cannot have the name 'labels'; rename it")
        numbers, label_note = numbers_of_training(path, labels, self.classes, self.labels)
        classes = tuple(self.classes or map(str, numbers))
        labels = class_numbers(path, labels, numbers)
        pixels = pixels_of(labels, classes)
        rows, held = torch.arange(len(pixels)), torch.arange(0)
        if val is None:
            rows, held = hold_out_images(path, pixels, images.groups, self.val_share, seed)
        side = tile_side(self.tile, min(images.size))
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
        training = part(images, labels, pixels, task, standardiser, rows)
        if val is None:
            validation = part(images, labels, pixels, task, standardiser, held)
        else:
            validation = self._read(val, task, standardiser)
        testing = None if test is None else self._read(test, task, standardiser)
        tiles = training_tiles(training, pixels[rows], side, self, seed)
        held_out = validation if val is None else None
        notes = (
            *self._notes(images, (rows, held), task, side, held_out, seed),
            *([label_note] if label_note else []),
        )
        training.warnings = tuple(f"train: {note}" for note in images.warnings)
        for role, other in (("val", validation), ("test", testing)):
            if other is not None:
                other.warnings = tuple(
                    note.replace("file: ", f"{role}: ", 1) for note in other.warnings
                )
        warnings = warnings_of(training, validation, testing)
        return Splits(name, tiles, validation, testing, notes, standardiser, warnings=warnings)

    def read(
        self,
        path: str | Source,
        task: Task,
        standardiser: Standardiser | None,
        columns: Sequence[str] | None = None,
        need_target: bool = True,
    ) -> Dataset:
        """Read one more file of images, of any one size."""
        from dmrnet.data.files.arrays.source import ArraySource

        if standardiser is None or not need_target or not isinstance(path, str | ArraySource):
            return super().read(path, task, standardiser, columns, need_target)
        return self._read(path, task, standardiser)

    def _read(
        self, path: str | ArraySource, task: Task, standardiser: Standardiser
    ) -> MappedDataset:
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
        labels = class_numbers(where, labels, self.label_numbers(task))
        pixels = pixels_of(labels, task.classes)
        rows = torch.arange(len(labels))
        dataset = part(images, labels, pixels, task, standardiser, rows)
        dataset.warnings = tuple(f"file: {note}" for note in images.warnings)
        dataset.skipped = images.skipped
        return dataset

    def _read_labelled(
        self,
        path: str | ArraySource,
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

    def label_numbers(self, task: Task) -> tuple[int, ...]:
        """Return the number in files of each class of a training."""
        if self.labels is not None:
            return tuple(self.labels)
        # Classes that are not named have their numbers as names.
        named = self.classes is not None or not all(name.isdecimal() for name in task.classes)
        return tuple(range(len(task.classes)) if named else map(int, task.classes))

    def _notes(
        self,
        images: ImageFile,
        rows: tuple[Tensor, Tensor],
        task: Task,
        side: int,
        held_out: Dataset | None,
        seed: int,
    ) -> tuple[str, ...]:
        """Say what was held out, how tiles are laid, and what `rows` to train and hold out lack."""
        from dmrnet.data.inputs.cells import cell_notes, count_missing

        notes = [
            f"trained on {self.tiles} tiles of {side} x {side} of each image an epoch; validated "
            "and tested on whole images"
        ]
        if held_out is not None:
            share, groups = f"{100 * self.val_share:g} %", held_out.groups
            wholly = "" if groups is None else f" in {len(set(groups))} whole groups"
            notes.insert(
                0, f"val: {share} of train held out{wholly} ({len(held_out)} images, seed {seed})"
            )
        for role, some in zip(("train", "val"), rows, strict=True):
            present = images.present[some]
            for name, absent in zip(task.modalities, (~present).sum(0).tolist(), strict=True):
                if absent:
                    notes.append(f"{role}: {name} is absent in {absent} of {len(some)} images")
            if self.cells != "refuse" and len(some):
                arrays = {name: array[some] for name, array in images.arrays.items()}
                missing = count_missing(arrays, present, images.inputs)
                notes += cell_notes(role, missing, self.cells if role == "train" else None)
        return tuple(notes)

    def _check(self) -> None:
        for name in ("tile", "tiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"images: expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("seldom", "val_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"images: expected {name} from 0 to 1, got {getattr(self, name)}")


def pixel_cells(cells: Cells) -> PixelCells:
    """Return what stands for missing pixels, of what stands for missing cells.

    Raises:
        ValueError: If it appends indicators, which images have none of.
    """
    if cells in ("refuse", "mean", "median", "zero"):
        return cells
    raise ValueError(
        f"cells: expected {', '.join(get_args(PixelCells))} for images with a class "
        f"for every pixel, got {cells}"
    )


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
