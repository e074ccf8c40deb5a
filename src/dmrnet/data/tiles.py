"""Training on tiles of images that are too large for a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors

from dmrnet.data.dataset import Dataset
from dmrnet.data.mapped import MappedDataset
from dmrnet.data.split import generator
from dmrnet.data.transforms import Transform, integer, uniform
from dmrnet.modalities import Batch

CELL = 32
"""Cell size, in pixels, of the index that locates foreground classes."""


@dataclass(frozen=True)
class Tiles:
    """How tiles are drawn from images, seeded by (seed, epoch, row).

    Attributes:
        side: Height and width of a tile, in pixels.
        number: Number of tiles of each image in an epoch.
        foreground: Labels of the foreground classes, as stored.
        foreground_share: Share of the tiles that are laid over a foreground class, in images that
            have one; the others lie anywhere.
        seed: Seed of the run.
        transform: Augmentation of a tile and its labels, if any.
    """

    side: int
    number: int
    foreground: Sequence[int]
    foreground_share: float
    seed: int
    transform: Transform | None


class TileDataset(Dataset):
    """Tiles of the images of a data set; row r is a tile of image ``r // number``.

    Its `pixels` are those of the whole images.

    Args:
        images: Images to cut, with a class for every pixel.
        tiles: How tiles are drawn.
    """

    samples: tuple[str, ...]

    def __init__(self, images: MappedDataset, tiles: Tiles) -> None:
        self.images, self.tiles = images, tiles
        self.task, self.pixels, self._content = images.task, images.pixels, images.content
        number = tiles.number
        self.target = images.target.repeat_interleave(number)
        self.present = images.present.repeat_interleave(number, 0)
        self.samples = tuple(f"{name}, tile {k}" for name in images.samples for k in range(number))
        self.cells = [self._cells(row) for row in images.rows.tolist()]

    def _cells(self, row: int) -> Tensor:
        """Return the cells of a stored image that hold a foreground class, int64 ``(k, 2)``."""
        labels = np.asarray(self.images.arrays["labels"].array[row, 0])
        foreground = np.isin(labels, list(self.tiles.foreground))
        height, width = foreground.shape
        padded = np.pad(foreground, ((0, -height % CELL), (0, -width % CELL)))
        cells = padded.reshape(-(-height // CELL), CELL, -(-width // CELL), CELL).any((1, 3))
        return torch.from_numpy(np.argwhere(cells))

    def position(self, row: int, epoch: int) -> tuple[int, int, torch.Generator]:
        """Return top and left of a tile, and the generator that drew them, for augmentation."""
        tiles, image = self.tiles, row // self.tiles.number
        draw = generator(tiles.seed, "tile", epoch, row)
        height, width = self.images.arrays["labels"].array.shape[-2:]
        cells = self.cells[image]
        if uniform(draw) >= tiles.foreground_share or not len(cells):
            top, left = integer(draw, 0, height - tiles.side), integer(draw, 0, width - tiles.side)
            return top, left, draw
        cell = cells[integer(draw, 0, len(cells) - 1)].tolist()
        # The cell lies anywhere in the tile, which is moved where it would leave the image.
        top, left = (
            min(max(0, at * CELL - integer(draw, 0, max(0, tiles.side - CELL))), size - tiles.side)
            for at, size in zip(cell, (height, width), strict=True)
        )
        return top, left, draw

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Cut a batch of tiles; the epoch also seeds their positions."""
        cut = [self._tile(row, epoch) for row in rows.tolist()]
        raw = {name: torch.stack([tile[name] for tile in cut]) for name in self.images.arrays}
        values = self.images.view(raw, rows, epoch)
        return self._batch(values, rows, values["labels"])

    def _tile(self, row: int, epoch: int) -> dict[str, Tensor]:
        """Return the stored arrays of one tile, augmented."""
        top, left, draw = self.position(row, epoch)
        stored = int(self.images.rows[row // self.tiles.number])
        side = self.tiles.side
        tile = {
            name: torch.from_numpy(
                np.array(mapped.array[stored, :, top : top + side, left : left + side])
            )
            for name, mapped in self.images.arrays.items()
        }
        tile["labels"] = tv_tensors.Mask(tile["labels"])
        return tile if self.tiles.transform is None else self.tiles.transform(tile, draw)
