"""images: the user's own images with a class for every pixel, in ``.npz`` files.

`dmrnet.data.files.images` reads the files; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from dmrnet.data.filling import Cells
from dmrnet.data.sets.base import OwnFiles

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.data.files.arrays.source import Source
    from dmrnet.modalities import Task

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
        train: str | Source,
        val: str | Source | None,
        test: str | Source | None,
        seed: int,
    ) -> Splits:
        """Return the splits of files, or of data of Python, under the name of a data set."""
        from dmrnet.data.files.images import FileImages
        from dmrnet.data.tile_splits import tile_splits

        self._check()
        return tile_splits(name, self, FileImages(train, self), val, test, seed)

    def label_numbers(self, task: Task) -> tuple[int, ...]:
        """Return the number in files of each class of a training."""
        from dmrnet.data.pixel_labels import label_numbers

        return label_numbers(task, self.classes, self.labels)

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
