"""cwfid: a carrot field from above in red and near infrared; soil, crop or weed at each pixel.

Haug and Ostermann, ECCV Workshops 2014. Its photographs may be used for non-commercial research
only and are not part of this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.data.files.cache import Array

MODALITIES = ("red", "nir")
CLASSES = ("soil", "crop", "weed")
VERSION = 1
"""Of the preparation."""

Weights = Literal["none", "root", "median"]


@dataclass(frozen=True)
class CWFID(DataSettings):
    """Settings of cwfid. Images are held out, never tiles of them.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare cwfid`.
        tile: Height and width of what is seen of an image in a training step.
        tiles: Tiles of each training image in an epoch, drawn anew in every epoch.
        plants: Share of the tiles that are laid over a plant; the others lie anywhere.
        weights: Of the classes in the loss: none (all 1; the best mIoU on validation of none and
            root), median (median frequency over a class's own), or root (the square root of that).
        val_share: Share of the published training images for validation.
        split_seed: Seed of what is held out; the run's seed where it is not set.
        augment: Turn and mirror training tiles at random.
        shrink: Images are averaged over squares of so many pixels a side, and a square has its most
            frequent class; they are trained on and scored at that size.
    """

    root: str
    tile: int = 96
    tiles: int = 32
    plants: float = 0.5
    weights: Weights = "none"
    val_share: float = 0.2
    split_seed: int | None = None
    augment: bool = True
    shrink: int = 1

    metric: ClassVar[str] = "miou"

    def load(self, seed: int) -> Splits:
        """Return the three parts: tiles to train on, whole images to validate and test on.

        Args:
            seed: Of the run.

        Raises:
            FileNotFoundError: If the data are not prepared; the command is told.
            ValueError: If a setting is out of range, or the prepared data are damaged.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.frequency import class_weights
        from dmrnet.data.mapped import Mapped, PixelDataset
        from dmrnet.data.standardise import Standardiser, by_modality
        from dmrnet.data.tiles import Planes, TileDataset, Tiles
        from dmrnet.data.transforms import Symmetry
        from dmrnet.modalities import Modality, Task

        self._check()
        arrays, provenance = read_cache("cwfid", self.root, VERSION)
        content = provenance.content
        side = min(arrays["images"].shape[-2:])
        if self.shrink > side:
            raise ValueError(
                f"cwfid: expected shrink of {side} or less, the shorter side of the images in "
                f"pixels, got {self.shrink}"
            )
        if self.shrink > 1:
            arrays |= smaller(arrays["images"], arrays["labels"], self.shrink)
            content = f"{content}/{self.shrink}"
        height, width = arrays["images"].shape[-2:]
        if self.tile > min(height, width):
            raise ValueError(
                f"cwfid: expected a tile of {min(height, width)} or less, which is what images of "
                f"{height} x {width} hold, got {self.tile}"
            )
        drawn = seed if self.split_seed is None else self.split_seed
        tested = torch.from_numpy(arrays["test"])
        rows = [*held_images(tested, self.val_share, drawn), tested.nonzero().flatten()]
        pixels = torch.from_numpy(arrays["pixels"])
        moment = moments(
            torch.from_numpy(arrays["sums"])[rows[0]],
            torch.from_numpy(arrays["squares"])[rows[0]],
            height * width,
        )
        task = Task(
            tuple(Modality(name, "image", (1, self.tile, self.tile)) for name in MODALITIES),
            CLASSES,
            dense=True,
            class_weights=class_weights(pixels[rows[0]], self.weights),
        )
        names: list[str] = arrays["name"].tolist()
        stored = {name: Mapped(arrays[name]) for name in ("images", "labels")}
        view = Planes(MODALITIES, *moment)
        train, val, test = (
            PixelDataset(
                task,
                stored,
                some,
                pixels[some],
                [names[row] for row in some.tolist()],
                view,
                content,
            )
            for some in rows
        )
        change = Symmetry() if self.augment else None
        tiles = TileDataset(
            train, Tiles(self.tile, self.tiles, self.plants, seed, change, tuple(range(1, 3)))
        )
        return Splits(
            name="cwfid",
            train=tiles,
            val=val,
            test=test,
            notes=(
                f"{len(train)} train, {len(val)} val, {len(test)} test images; validation held out "
                f"of the published training images with seed {drawn}; an image that is published "
                "in both lists is tested on only",
                f"trained on {self.tiles} tiles of {self.tile} x {self.tile} of each image an "
                "epoch; validated and tested on whole images",
                "plants that the annotations leave out are soil, as published",
                *([f"shrunk to {height} x {width}"] if self.shrink > 1 else []),
                *skipped_note(provenance),
            ),
            standardiser=Standardiser(*(by_modality(MODALITIES, some) for some in moment)),
        )

    def _check(self) -> None:
        for name in ("tile", "tiles", "shrink"):
            if getattr(self, name) < 1:
                raise ValueError(f"cwfid: expected {name} of 1 or more, got {getattr(self, name)}")
        if not 0 <= self.plants <= 1:
            raise ValueError(f"cwfid: expected plants from 0 to 1, got {self.plants}")


def held_images(tested: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows of training and validation, drawn from those that are not for testing.

    Args:
        tested: bool ``(n,)``.
        share: Of the others, for validation.
        seed: Of the draw.

    Raises:
        ValueError: If one of the two would be empty.
    """
    import torch

    from dmrnet.data.split import generator

    rows = (~tested).nonzero().flatten()
    number = round(share * len(rows))
    if not 0 < number < len(rows):
        raise ValueError(
            f"cwfid: val_share {share} leaves {len(rows) - number} images for training and "
            f"{number} for validation"
        )
    order = rows[torch.randperm(len(rows), generator=generator(seed, "cwfid", "val"))]
    return order[number:].sort().values, order[:number].sort().values


def smaller(images: Array, labels: Array, by: int) -> dict[str, Array]:
    """Return the arrays of a cache for smaller images, with the counts that follow from them."""
    from dmrnet.data.shrink import shrunk, shrunk_labels

    planes = shrunk(images, by)
    classes = shrunk_labels(labels, by, len(CLASSES))
    return {"images": planes, "labels": classes, **counts(planes, classes)}


def counts(images: Array, labels: Array) -> dict[str, Array]:
    """Return what weights of classes and `moments` are made of, image by image.

    Args:
        images: uint8 ``(n, C, H, W)``.
        labels: uint8 ``(n, 1, H, W)``.

    Returns:
        int64: pixels of each class ``(n, M)``, sums and sums of squares of each channel ``(n, C)``.
    """
    import numpy as np

    pixels = [np.bincount(one.ravel(), minlength=len(CLASSES)) for one in labels]
    squares = [np.square(one.astype(np.int64)).sum((1, 2)) for one in images]
    return {
        "pixels": np.stack(pixels).astype(np.int64),
        "sums": images.sum((2, 3), dtype=np.int64),
        "squares": np.stack(squares),
    }


def moments(
    sums: Tensor, squares: Tensor, pixels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel over some images.

    Args:
        sums: int64 ``(n, C)``: of the pixels of each image.
        squares: int64 ``(n, C)``: of their squares.
        pixels: Of one image.
    """
    number = len(sums) * pixels
    mean = sums.sum(0).double() / number
    variance = squares.sum(0).double() / number - mean.square()
    # A channel that is constant keeps deviation 1.
    deviation = variance.clamp(min=0).sqrt().masked_fill(variance <= 0, 1.0)
    return tuple(mean.tolist()), tuple(deviation.tolist())
