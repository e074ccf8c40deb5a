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
    from dmrnet.data.files.arrays.numbers import Array

MODALITIES = ("red", "nir")
CLASSES = ("soil", "crop", "weed")
VERSION = 1
"""Version of the preparation."""


@dataclass(frozen=True)
class CWFID(DataSettings):
    """Settings of cwfid. Whole images are held out, never tiles of them.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare cwfid`.
        tile: Height and width, in pixels, of a training tile.
        tiles: Number of tiles of each training image in an epoch, drawn anew in every epoch.
        plants: Share of the tiles that are laid over a plant; the others lie anywhere.
        weights: Class weights in the loss: none (all 1; the best mIoU on validation of none and
            root), median (median frequency over the frequency of a class), or root (the square
            root of that).
        val_share: Share of the published training images for validation.
        split_seed: Seed of what is held out; the run's seed by default.
        augment: Rotate and flip training tiles at random.
        shrink: Side, in pixels, of the squares that become one pixel: the average of their values
            and the most frequent of their classes. Training and scoring are at that size.
    """

    root: str
    tile: int = 96
    tiles: int = 32
    plants: float = 0.5
    weights: Literal["none", "root", "median"] = "none"
    val_share: float = 0.2
    split_seed: int | None = None
    augment: bool = True
    shrink: int = 1

    metric: ClassVar[str] = "miou"

    def load(self, seed: int) -> Splits:
        """Return the splits: tiles to train on, whole images to validate and test on."""
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.dense import TileDataset, class_weights, shrunk, shrunk_labels
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.inputs.standardise import Standardiser
        from dmrnet.data.inputs.transforms import Symmetry
        from dmrnet.data.inputs.views import ImageView
        from dmrnet.data.mapped import MappedDataset
        from dmrnet.modalities import Modality, Task

        arrays, provenance = read_cache("cwfid", self.root, VERSION)
        self._check(*arrays["images"].shape[-2:])
        content = provenance.content
        if self.shrink > 1:
            images = shrunk(arrays["images"], self.shrink)
            labels = shrunk_labels(arrays["labels"], self.shrink, len(CLASSES))
            arrays |= {"images": images, "labels": labels, **counts(images, labels)}
            content = f"{content}/{self.shrink}"
        height, width = arrays["images"].shape[-2:]
        split_seed = seed if self.split_seed is None else self.split_seed
        tested = torch.from_numpy(arrays["test"])
        rows = [*held_images(tested, self.val_share, split_seed), tested.nonzero().flatten()]
        pixels = torch.from_numpy(arrays["pixels"])
        sums, squares = (torch.from_numpy(arrays[key])[rows[0]] for key in ("sums", "squares"))
        scales = dict(zip(MODALITIES, moments(sums, squares, height * width), strict=True))
        task = Task(
            tuple(Modality(name, "image", (1, self.tile, self.tile)) for name in MODALITIES),
            CLASSES,
            dense=True,
            class_weights=class_weights(pixels[rows[0]], self.weights),
        )
        stored = {name: arrays[name] for name in ("images", "labels")}
        view, names = ImageView(scales, MODALITIES), arrays["name"].tolist()
        train, val, test = (
            MappedDataset(task, stored, part, pixels, names, view, content) for part in rows
        )
        change = Symmetry() if self.augment else None
        plants = [CLASSES.index(name) for name in ("crop", "weed")]
        tiles = TileDataset(train, self.tile, self.tiles, plants, self.plants, seed, change)
        notes = (
            f"{len(train)} train, {len(val)} val, {len(test)} test images; validation held out "
            f"of the published training images with seed {split_seed}; an image that is published "
            "in both lists is only tested on",
            f"trained on {self.tiles} tiles of {self.tile} x {self.tile} of each image an epoch; "
            "validated and tested on whole images",
            "plants that the annotations leave out are soil, as published",
            *([f"shrunk to {height} x {width}"] if self.shrink > 1 else []),
            *skipped_note(provenance),
        )
        return Splits("cwfid", tiles, val, test, notes, Standardiser.from_scales(scales))

    def _check(self, height: int, width: int) -> None:
        """Refuse settings out of range for images of a size."""
        for name in ("tile", "tiles", "shrink"):
            if getattr(self, name) < 1:
                raise ValueError(f"cwfid: expected {name} of 1 or more, got {getattr(self, name)}")
        if not 0 <= self.plants <= 1:
            raise ValueError(f"cwfid: expected plants from 0 to 1, got {self.plants}")
        if self.shrink > min(height, width):
            raise ValueError(
                f"cwfid: expected shrink of at most {min(height, width)}, the shorter side of the "
                f"images in pixels, got {self.shrink}"
            )
        height, width = height // self.shrink, width // self.shrink
        if self.tile > min(height, width):
            raise ValueError(
                f"cwfid: expected a tile of at most {min(height, width)}, the shorter side of "
                f"images of {height} x {width}, got {self.tile}"
            )


def held_images(tested: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows of training and validation; raise `ValueError` if one has none.

    A share of the images that are not `tested`, a bool tensor ``(n,)``, is drawn for validation.
    """
    import torch

    from dmrnet.data.splits.split import generator

    rows = (~tested).nonzero().flatten()
    number = round(share * len(rows))
    if not 0 < number < len(rows):
        raise ValueError(
            f"cwfid: val_share {share} leaves {len(rows) - number} images for training and "
            f"{number} for validation"
        )
    order = rows[torch.randperm(len(rows), generator=generator(seed, "cwfid", "val"))]
    return order[number:].sort().values, order[:number].sort().values


def counts(images: Array, labels: Array) -> dict[str, Array]:
    """Return what class weights and `moments` are computed from, int64, image by image.

    ``pixels`` are counted for each class of uint8 labels ``(n, 1, H, W)``: ``(n, M)``; ``sums`` and
    sums of ``squares`` are those of each channel of uint8 images ``(n, C, H, W)``: ``(n, C)``.
    """
    import numpy as np

    pixels = [np.bincount(one.ravel(), minlength=len(CLASSES)) for one in labels]
    squares = [np.square(one.astype(np.int64)).sum((1, 2)) for one in images]
    return {
        "pixels": np.stack(pixels).astype(np.int64),
        "sums": images.sum((2, 3), dtype=np.int64),
        "squares": np.stack(squares),
    }


def moments(sums: Tensor, squares: Tensor, pixels: int) -> list[tuple[float, float]]:
    """Return mean and deviation of each channel over images of one size, from their `counts`."""
    number = len(sums) * pixels
    mean = sums.sum(0).double() / number
    variance = squares.sum(0).double() / number - mean.square()
    # A constant channel keeps deviation 1.
    deviation = variance.clamp(min=0).sqrt().masked_fill(variance <= 0, 1.0)
    return list(zip(mean.tolist(), deviation.tolist(), strict=True))
