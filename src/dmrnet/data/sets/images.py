"""images: the user's own images with a class for every pixel, in ``.npz`` files.

`dmrnet.data.files.images` reads the files; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import OwnFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.images import ImageFile
    from dmrnet.data.mapped import MappedDataset
    from dmrnet.data.standardise import Standardiser
    from dmrnet.modalities import Task

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
        ignore: One more number in ``y`` that stands for no class, e.g. 255.
        tile: Height and width, in pixels, of a training tile; less where images are smaller.
        tiles: Number of tiles of each training image in an epoch, drawn anew in every epoch.
        seldom: Share of the tiles that are laid over a class other than the most frequent one; the
            others lie anywhere.
        weights: Class weights in the loss: none (all 1), median (median frequency over the
            frequency of a class), or root (the square root of that).
        augment: Augmentation of training tiles: none, mirror (flip left and right), or turn (also
            rotate by multiples of 90 degrees).
    """

    classes: list[str] | None = None
    ignore: int = -1
    tile: int = 96
    tiles: int = 16
    seldom: float = 0.5
    weights: Literal["none", "root", "median"] = "none"
    augment: Literal["none", "mirror", "turn"] = "mirror"

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the splits: tiles to train on, whole images to validate and test on.

        Args:
            seed: Seed of the images that are held out for validation, and of the tiles.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If a file or a setting is wrong; the message says which and where.
        """
        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.images import read_image_file
        from dmrnet.data.frequency import class_weights
        from dmrnet.data.standardise import Standardiser
        from dmrnet.data.tiles import TileDataset, Tiles
        from dmrnet.data.transforms import RandomFlip, Symmetry
        from dmrnet.modalities import Modality, Task

        self._check()
        images = read_image_file(self.train, (), labelled=True, fine=None)
        if "labels" in images.arrays:
            raise ValueError(f"{self.train}: a modality cannot have the name 'labels'; rename it")
        classes = self._classes(images)
        pixels = self._pixels(self.train, images, classes)
        rows, held = self._split(pixels, seed)
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
        )
        train = self._part(self.train, images, task, standardiser, rows)
        if self.val is None:
            val = self._part(self.train, images, task, standardiser, held)
        else:
            val = self._read(self.val, task, standardiser)
        test = None if self.test is None else self._read(self.test, task, standardiser)
        frequent = int(pixels[rows].sum(0).argmax())
        seldom = tuple(label for label in range(len(classes)) if label != frequent)
        change = {"none": None, "mirror": RandomFlip(), "turn": Symmetry()}[self.augment]
        tiles = Tiles(side, self.tiles, seldom, self.seldom, seed, change)
        notes = self._notes(images, task, side, len(held), seed)
        return Splits("images", TileDataset(train, tiles), val, test, notes, standardiser)

    def read(
        self,
        path: str,
        task: Task,
        standardiser: Standardiser | None,
        columns: Sequence[str] | None = None,
        need_target: bool = True,
    ) -> Dataset:
        """Read one more file of images, of any one size."""
        if standardiser is None or not need_target:
            return super().read(path, task, standardiser, columns, need_target)
        return self._read(path, task, standardiser)

    def _read(self, path: str, task: Task, standardiser: Standardiser) -> MappedDataset:
        """Read one more file of images and their labels."""
        import torch

        from dmrnet.data.files.images import read_image_file

        images = read_image_file(path, task.inputs, labelled=True, fine=standardiser.fine)
        return self._part(path, images, task, standardiser, torch.arange(len(images.present)))

    def _split(self, pixels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return the rows of the training file for training, and those held out for validation."""
        import torch

        from dmrnet.data.split import generator, hold_out

        if self.val is not None:
            return torch.arange(len(pixels)), torch.arange(0)
        held = hold_out(pixels.argmax(1), self.val_share, generator(seed, "images", "val"))
        if not held.any():
            raise ValueError(
                f"{self.train}: {len(pixels)} images are too few to hold "
                f"{100 * self.val_share:g} % out for validation; give val, or raise val_share"
            )
        return (~held).nonzero().flatten(), held.nonzero().flatten()

    def _part(
        self, path: str, images: ImageFile, task: Task, standardiser: Standardiser, rows: Tensor
    ) -> MappedDataset:
        """Return some images of a file as a data set."""
        import torch

        from dmrnet.data.fingerprint import fingerprint_of_arrays
        from dmrnet.data.mapped import MappedArray, MappedDataset
        from dmrnet.data.views import StandardisedView

        assert images.labels is not None
        labels = images.labels[rows]
        labels = labels.masked_fill(labels == self.ignore, -1).clamp(min=-1)
        present = images.present[rows]
        arrays = {name: images.arrays[name][rows] for name in task.modalities}
        content = fingerprint_of_arrays({**arrays, "y": labels})
        stored = {
            name: MappedArray(standardiser.apply(name, array, present[:, column]).numpy())
            for column, (name, array) in enumerate(arrays.items())
        }
        stored["labels"] = MappedArray(labels[:, None].numpy())
        names = images.samples or tuple(str(row) for row in range(len(images.present)))
        dataset = MappedDataset(
            task,
            stored,
            torch.arange(len(rows)),
            self._pixels(path, images, task.classes)[rows],
            [names[row] for row in rows.tolist()],
            StandardisedView(task.modalities),
            content,
        )
        dataset.present = present
        return dataset

    def _classes(self, images: ImageFile) -> tuple[str, ...]:
        """Return the names of the classes of the training file."""
        assert images.labels is not None
        known = images.labels[(images.labels >= 0) & (images.labels != self.ignore)]
        if not len(known):
            raise ValueError(f"{self.train}: no pixel has a class, so there is nothing to learn")
        highest = int(known.max())
        if self.classes is None and highest > 254:
            raise ValueError(
                f"{self.train}: expected classes from 0 to 254, got {highest}; if it stands for no "
                f"class, set --data.ignore {highest}"
            )
        return tuple(self.classes or (str(number) for number in range(highest + 1)))

    def _pixels(self, path: str, images: ImageFile, classes: tuple[str, ...]) -> Tensor:
        """Return the number of pixels of each class in each image, int64 ``(n, M)``."""
        import torch

        assert images.labels is not None
        labels = images.labels.flatten(1)
        known = (labels >= 0) & (labels != self.ignore)
        highest = int(labels[known].max()) if known.any() else 0
        if highest >= len(classes):
            row = int((known & (labels == highest)).any(1).nonzero()[0])
            raise ValueError(
                f"{path}: row {row}: expected classes from 0 to {len(classes) - 1}, got {highest}; "
                f"name it in classes, or set --data.ignore {highest} if it stands for no class"
            )
        return torch.stack(
            [
                image[seen].bincount(minlength=len(classes))
                for image, seen in zip(labels, known, strict=True)
            ]
        )

    def _notes(
        self, images: ImageFile, task: Task, side: int, held: int, seed: int
    ) -> tuple[str, ...]:
        """Say what was held out, how tiles are laid, and what is absent."""
        notes = [
            f"trained on {self.tiles} tiles of {side} x {side} of each image an epoch; validated "
            "and tested on whole images"
        ]
        if self.val is None:
            share = f"{100 * self.val_share:g} %"
            notes.insert(0, f"val: {share} of train held out ({held} images, seed {seed})")
        for name, absent in zip(task.modalities, (~images.present).sum(0).tolist(), strict=True):
            if absent:
                notes.append(f"train: {name} is absent in {absent} of {len(images.present)} images")
        return tuple(notes)

    def _check(self) -> None:
        for name in ("tile", "tiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"images: expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("seldom", "val_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"images: expected {name} from 0 to 1, got {getattr(self, name)}")
