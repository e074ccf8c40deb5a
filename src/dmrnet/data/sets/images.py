"""images: the user's own, with a class for every pixel, in ``.npz`` files.

Reading is in `dmrnet.data.files.images`; importing this file loads neither it nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import OwnFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.images import Images as Read
    from dmrnet.data.mapped import PixelDataset
    from dmrnet.data.standardise import Standardiser
    from dmrnet.modalities import Task

Augment = Literal["none", "mirror", "turn"]
STEP = 16
"""Where images are smaller than a tile, it is a multiple of this."""


@dataclass(frozen=True)
class Images(OwnFiles):
    """Settings of your own images with a class for every pixel, in files.

    A file has one array a modality, ``(n, C, H, W)``, ``(n, H, W, C)`` or ``(n, H, W)``, and ``y``,
    whole numbers ``(n, H, W)``: the class of every pixel from 0, and below 0 where it has none. A
    row of NaN says that an image lacks the modality; so does ``present``, bool ``(n, V)``.
    ``samples`` may name the images.

    Attributes:
        classes: Names of the classes from 0 on; their numbers where they have none.
        ignore: One more number in ``y`` that stands for no class, e.g. 255.
        tile: Height and width of what is seen of an image in a training step; less where images
            are smaller.
        tiles: Tiles of each training image in an epoch, drawn anew in every epoch.
        seldom: Share of the tiles that are laid over a class other than the most frequent one; the
            others lie anywhere.
        weights: Of the classes in the loss: none (all 1), median (median frequency over a class's
            own), or root (the square root of that).
        augment: What is done to training tiles at random: none, mirror (left and right), or turn
            (by quarters, and mirrored).
    """

    classes: list[str] | None = None
    ignore: int = -1
    tile: int = 96
    tiles: int = 16
    seldom: float = 0.5
    weights: Literal["none", "root", "median"] = "none"
    augment: Augment = "mirror"

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the splits: tiles to train on, whole images to validate and test on.

        Args:
            seed: Of the run; it draws the images held out for validation, and the tiles.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If a file or a setting is not as it should be; it says which and where.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.images import read_file
        from dmrnet.data.frequency import class_weights
        from dmrnet.data.split import generator, hold_out
        from dmrnet.data.standardise import Standardiser
        from dmrnet.data.tiles import TileDataset, Tiles
        from dmrnet.data.transforms import RandomFlip, Symmetry
        from dmrnet.modalities import Modality, Task

        self._check()
        images = read_file(self.train, (), labelled=True, fine=None)
        names = self._names(images)
        pixels = self._pixels(self.train, images, names)
        side = self.tile
        if side > min(images.size):
            side = min(images.size) // STEP * STEP or min(images.size)
        rows = torch.arange(len(pixels))
        notes = []
        if self.val is None:
            held = hold_out(pixels.argmax(1), self.val_share, generator(seed, "images", "val"))
            if not held.any():
                raise ValueError(
                    f"{self.train}: {len(rows)} images are too few to hold "
                    f"{100 * self.val_share:g} % out for validation; give val, or raise val_share"
                )
            sides = [rows[~held], rows[held]]
            notes.append(
                f"val: {100 * self.val_share:g} % of train held out ({len(sides[1])} images, seed "
                f"{seed})"
            )
        else:
            sides = [rows]
        task = Task(
            tuple(Modality(m.name, "image", (m.shape[0], side, side)) for m in images.inputs),
            names,
            dense=True,
            class_weights=class_weights(pixels[sides[0]], self.weights),
        )
        standardiser = Standardiser.fit(
            {name: x[sides[0]] for name, x in images.arrays.items()},
            images.present[sides[0]],
            task.modalities,
        )
        parts = [self._part(self.train, images, task, standardiser, some) for some in sides]
        if self.val is not None:
            parts.append(self._labelled(self.val, task, standardiser))
        frequent = int(pixels[sides[0]].sum(0).argmax())
        seldom = tuple(c for c in range(len(names)) if c != frequent)
        change = {"none": None, "mirror": RandomFlip(), "turn": Symmetry()}[self.augment]
        tiles = Tiles(side, self.tiles, self.seldom, seed, change, seldom)
        notes.append(
            f"trained on {self.tiles} tiles of {side} x {side} of each image an epoch; validated "
            "and tested on whole images"
        )
        for column, name in enumerate(task.modalities):
            gone = int((~images.present[:, column]).sum())
            if gone:
                notes.append(f"train: {name} is absent in {gone} of {len(images.present)} images")
        return Splits(
            name="images",
            train=TileDataset(parts[0], tiles),
            val=parts[1],
            test=None if self.test is None else self._labelled(self.test, task, standardiser),
            notes=tuple(notes),
            standardiser=standardiser,
        )

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
        return self._labelled(path, task, standardiser)

    def _labelled(self, path: str, task: Task, standardiser: Standardiser) -> PixelDataset:
        """Read one more file of images with labels."""
        import torch

        from dmrnet.data.files.images import read_file

        images = read_file(path, task.inputs, labelled=True, fine=standardiser.fine)
        rows = torch.arange(len(images.present))
        return self._part(path, images, task, standardiser, rows)

    def _part(
        self, path: str, images: Read, task: Task, standardiser: Standardiser, rows: Tensor
    ) -> PixelDataset:
        """Return some images of a file as a data set."""
        import torch

        from dmrnet.data.fingerprint import fingerprint_of_arrays
        from dmrnet.data.mapped import Mapped, PixelDataset
        from dmrnet.data.tiles import Scaled

        assert images.labels is not None
        labels = images.labels[rows]
        labels = labels.masked_fill(labels == self.ignore, -1).clamp(min=-1)
        present = images.present[rows]
        arrays = {name: images.arrays[name][rows] for name in task.modalities}
        content = fingerprint_of_arrays({**arrays, "y": labels})
        stored = {
            name: Mapped(standardiser.apply(name, array, present[:, column]).numpy())
            for column, (name, array) in enumerate(arrays.items())
        }
        samples = images.samples or tuple(str(row) for row in range(len(images.present)))
        dataset = PixelDataset(
            task,
            {**stored, "labels": Mapped(labels[:, None].numpy())},
            torch.arange(len(rows)),
            self._pixels(path, images, task.classes)[rows],
            [samples[row] for row in rows.tolist()],
            Scaled(task.modalities),
            content,
        )
        dataset.present = present
        return dataset

    def _names(self, images: Read) -> tuple[str, ...]:
        """Return the names of the classes, of which the labels may not have more."""
        assert images.labels is not None
        known = images.labels[(images.labels >= 0) & (images.labels != self.ignore)]
        if not len(known):
            raise ValueError(f"{self.train}: no pixel has a class; nothing can be learnt")
        found = int(known.max()) + 1
        if self.classes is None and found > 255:
            raise ValueError(
                f"{self.train}: expected classes from 0 to 254, got {found - 1}; if it stands for "
                f"no class, say --data.ignore {found - 1}"
            )
        return tuple(self.classes or (str(number) for number in range(found)))

    def _pixels(self, path: str, images: Read, names: tuple[str, ...]) -> Tensor:
        """Return how many pixels of each class each image has, int64 ``(n, M)``."""
        import torch

        assert images.labels is not None
        labels = images.labels.flatten(1)
        known = (labels >= 0) & (labels != self.ignore)
        high = int(labels[known].max()) if known.any() else 0
        if high >= len(names):
            row = int((known & (labels == high)).any(1).nonzero()[0])
            raise ValueError(
                f"{path}: row {row} has the class {high}, but there are {len(names)}, from 0 to "
                f"{len(names) - 1}; name it in classes, or say --data.ignore {high} if it stands "
                "for no class"
            )
        counts = [
            one[here].bincount(minlength=len(names))
            for one, here in zip(labels, known, strict=True)
        ]
        return torch.stack(counts)

    def _check(self) -> None:
        for name in ("tile", "tiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"images: expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("seldom", "val_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"images: expected {name} from 0 to 1, got {getattr(self, name)}")
