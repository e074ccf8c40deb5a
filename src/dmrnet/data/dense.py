"""Images with a class for every pixel: training tiles, class weights, shrunk images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors

from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.inputs.transforms import Transform, integer, uniform
from dmrnet.data.inputs.views import View
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Batch

CELL = 32
"""Cell size, in pixels, of the index that locates foreground classes."""

STEP = 16
"""Tiles of images that are smaller than the set size have a side that is a multiple of this."""


def tile_side(wanted: int, least: int) -> int:
    """Return the side of training tiles, for images whose smallest side is `least`.

    >>> tile_side(128, 500), tile_side(128, 100), tile_side(128, 10)
    (128, 96, 10)
    """
    return wanted if wanted <= least else least // STEP * STEP or least


class LabelledImages(Dataset):
    """Images of which tiles can be cut, if every pixel has a class."""

    samples: tuple[str, ...]
    view: View

    @abstractmethod
    def label_map(self, row: int) -> Array:
        """Return the labels of an image, ``(H, W)``, as they are stored."""

    @abstractmethod
    def cut(self, row: int, box: tuple[slice, slice]) -> dict[str, Tensor]:
        """Return a part of what is stored of an image, ``(C, h, w)``, and its ``labels``."""


class TileDataset(Dataset):
    """Tiles of the images of a data set; row r is a tile of image ``r // number``.

    Tiles are drawn by (seed, epoch, row). `pixels` are those of the whole images.

    Args:
        images: Images to cut, with a class for every pixel.
        side: Height and width of a tile, in pixels.
        number: Number of tiles of each image in an epoch.
        foreground: Labels of the foreground classes, as stored.
        share: Share of the tiles that are laid over a foreground class, in images that have one;
            the others lie anywhere.
        seed: Seed of the run.
        transform: Augmentation of a tile and its labels, if any.
    """

    samples: tuple[str, ...]

    def __init__(
        self,
        images: LabelledImages,
        side: int,
        number: int,
        foreground: Sequence[int],
        share: float,
        seed: int,
        transform: Transform | None,
    ) -> None:
        self.images, self.side, self.number, self.share = images, side, number, share
        self.seed, self.transform = seed, transform
        self.task, self.pixels, self._content = images.task, images.pixels, images.content
        self.target = images.target.repeat_interleave(number)
        self.present = images.present.repeat_interleave(number, 0)
        self.samples = tuple(f"{name}, tile {k}" for name in images.samples for k in range(number))
        self.foreground = list(foreground)
        self._cells: dict[int, tuple[tuple[int, ...], Tensor]] = {}

    def _image(self, image: int) -> tuple[tuple[int, ...], Tensor]:
        """Return the height and width of an image, and its cells with foreground."""
        if image not in self._cells:
            labels = self.images.label_map(image)
            self._cells[image] = labels.shape, _cells(np.isin(labels, self.foreground))
        return self._cells[image]

    def position(self, row: int, epoch: int) -> tuple[int, int, torch.Generator]:
        """Return top and left of a tile, and the generator that drew them, for augmentation."""
        side, draw = self.side, generator(self.seed, "tile", epoch, row)
        (height, width), cells = self._image(row // self.number)
        if uniform(draw) >= self.share or not len(cells):
            top, left = integer(draw, 0, height - side), integer(draw, 0, width - side)
            return top, left, draw
        cell = cells[integer(draw, 0, len(cells) - 1)].tolist()
        # The cell lies anywhere in the tile, which is moved where it would leave the image.
        top, left = (
            min(max(0, at * CELL - integer(draw, 0, max(0, side - CELL))), size - side)
            for at, size in zip(cell, (height, width), strict=True)
        )
        return top, left, draw

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Cut a batch of tiles; the epoch also seeds their positions."""
        cut = [self._tile(row, epoch) for row in rows.tolist()]
        raw = {name: torch.stack([tile[name] for tile in cut]) for name in cut[0]}
        values = self.images.view(raw, rows, epoch)
        return self._batch(values, rows, values["labels"])

    def _tile(self, row: int, epoch: int) -> dict[str, Tensor]:
        """Return the stored arrays of one tile, augmented."""
        top, left, draw = self.position(row, epoch)
        box = slice(top, top + self.side), slice(left, left + self.side)
        tile = self.images.cut(row // self.number, box)
        tile["labels"] = tv_tensors.Mask(tile["labels"])
        return tile if self.transform is None else self.transform(tile, draw)


def _cells(foreground: Array) -> Tensor:
    """Return the cells with foreground of a bool array ``(H, W)``, int64 ``(k, 2)``."""
    height, width = foreground.shape
    padded = np.pad(foreground, ((0, -height % CELL), (0, -width % CELL)))
    cells = padded.reshape(-(-height // CELL), CELL, -(-width // CELL), CELL).any((1, 3))
    return torch.from_numpy(np.argwhere(cells))


def class_weights(pixels: Tensor, by: Literal["none", "root", "median"]) -> tuple[float, ...]:
    """Return the weight of each class.

    Args:
        pixels: int64 tensor ``(n, M)``, the number of pixels of each class in each image.
        by: ``none`` (all 1), ``median`` (`median_frequency`), or ``root`` (its square root).

    >>> [round(w, 4) for w in class_weights(torch.tensor([[81, 9]]), "root")]
    [0.7454, 2.2361]
    """
    if by == "none":
        return (1.0,) * pixels.shape[1]
    weight = median_frequency(pixels)
    return tuple((weight.sqrt() if by == "root" else weight).tolist())


def median_frequency(pixels: Tensor) -> Tensor:
    """Return the weight of each class: the median frequency over the frequency of the class.

    The frequency of a class is its share of the labelled pixels of the images that have it
    (ESANet). A class without pixels has weight 0; if no pixel has a class, it is a `ValueError`.
    `pixels` are as for `class_weights`; the result is float32 ``(M,)``.

    >>> median_frequency(torch.tensor([[30, 10, 0], [10, 0, 30]])).tolist()
    [1.0, 2.0, 0.6666666865348816]
    """
    in_images = ((pixels > 0).long() * pixels.sum(1, keepdim=True)).sum(0).double()
    frequency = pixels.sum(0).double() / in_images
    known = frequency[~frequency.isnan()]
    if not len(known):
        raise ValueError(
            f"expected labelled pixels to weigh classes by, got none in {len(pixels)} training "
            "images"
        )
    # torch.median would take the lower of two middle values.
    median = float(np.median(known.numpy()))
    weight: Tensor = (median / frequency).nan_to_num(0.0).float()
    return weight


def shrunk(images: Array, by: int) -> Array:
    """Average uint8 images ``(n, C, H, W)`` over squares of side `by`, rounded half up.

    A rest at the right and the bottom is cut off: uint8 ``(n, C, H // by, W // by)``.

    >>> shrunk(np.array([[[[1, 2, 9], [3, 5, 9]]]], dtype=np.uint8), 2).tolist()
    [[[[3]]]]
    """
    sums = _squares(images, by).sum((3, 5), dtype=np.uint32)
    means: Array = ((sums + by * by // 2) // (by * by)).astype(np.uint8)
    return means


def shrunk_labels(labels: Array, by: int, classes: int) -> Array:
    """Return the most frequent label of each square; the lowest of equally frequent ones.

    From uint8 ``(n, 1, H, W)``, below `classes`, to uint8 ``(n, 1, H // by, W // by)``.

    >>> shrunk_labels(np.array([[[[0, 2, 1], [2, 1, 1]]]], dtype=np.uint8), 2, 3).tolist()
    [[[[2]]]]
    """
    squares = _squares(labels, by)
    counts = np.stack([(squares == label).sum((3, 5)) for label in range(classes)])
    frequent: Array = counts.argmax(0).astype(np.uint8)
    return frequent


def _squares(arrays: Array, by: int) -> Array:
    """Return ``(n, C, H // by, by, W // by, by)``."""
    n, channels, height, width = arrays.shape
    high, wide = height // by, width // by
    cut = arrays[:, :, : high * by, : wide * by]
    return cut.reshape(n, channels, high, by, wide, by)
