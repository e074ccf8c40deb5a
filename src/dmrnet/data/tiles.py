"""Training on tiles of images that are larger than a step can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.mapped import PixelDataset
from dmrnet.data.split import generator
from dmrnet.data.transforms import Transform, uniform, whole
from dmrnet.modalities import Batch

CELL = 32
"""Where sought classes are is kept by squares of so many pixels a side."""


@dataclass(frozen=True)
class Planes:
    """Makes a modality of each channel of stored images, ``(x - mean) / deviation``.

    Attributes:
        names: Modalities, one a channel of the array ``images``.
        mean: Of each channel.
        deviation: Of each channel.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 ``(b, 1, H, W)`` a modality and ``labels`` int64 ``(b, H, W)``.

        Args:
            raw: ``images`` ``(b, V, H, W)`` and ``labels`` ``(b, 1, H, W)``.
            rows: Not read.
            epoch: Not read.
        """
        seen = {
            name: (raw["images"][:, place : place + 1].float() - mean) / deviation
            for place, (name, mean, deviation) in enumerate(
                zip(self.names, self.mean, self.deviation, strict=True)
            )
        }
        return seen | {"labels": raw["labels"][:, 0].long()}


@dataclass(frozen=True)
class Scaled:
    """Hands on images that are standardised already.

    Attributes:
        names: Modalities, an array each.
    """

    names: tuple[str, ...]

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return them as they came, and ``labels`` int64 ``(b, H, W)``.

        Args:
            raw: ``(b, C, H, W)`` a modality and ``labels`` ``(b, 1, H, W)``.
            rows: Not read.
            epoch: Not read.
        """
        return {name: raw[name] for name in self.names} | {"labels": raw["labels"][:, 0].long()}


@dataclass(frozen=True)
class Tiles:
    """How tiles are laid over images. What is drawn follows from (seed, epoch, row) alone.

    Attributes:
        side: Height and width.
        number: Of each image in an epoch.
        sought_share: Share of the tiles that hold a pixel of a sought class, in images that have
            one; the others lie anywhere.
        seed: Of the run.
        transform: What is done to a tile, labels included; nothing if None.
        sought: Labels, as stored.
    """

    side: int
    number: int
    sought_share: float
    seed: int
    transform: Transform | None
    sought: Sequence[int]


class TileDataset(Dataset):
    """Tiles of the images of a data set; row r is a tile of image ``r // number``.

    Args:
        images: Stored in arrays that can be cut by slices, ``labels`` among them.
        tiles: How they are laid.
    """

    samples: tuple[str, ...]

    def __init__(self, images: PixelDataset, tiles: Tiles) -> None:
        self.images, self.tiles = images, tiles
        self.task, self._content = images.task, images.content
        number = tiles.number
        # Of the images that tiles are cut from.
        self.pixels = images.pixels
        self.target = images.target.repeat_interleave(number)
        self.present = images.present.repeat_interleave(number, 0)
        self.samples = tuple(f"{name}, tile {k}" for name in images.samples for k in range(number))
        # A map of cells for each image: (k, 2) places of those that hold a sought class.
        self.cells = [self._cells(row) for row in images.rows.tolist()]

    def _cells(self, row: int) -> Tensor:
        labels = np.asarray(self.images.arrays["labels"].array[row, 0])
        found = np.isin(labels, list(self.tiles.sought))
        height, width = found.shape
        padded = np.pad(found, ((0, -height % CELL), (0, -width % CELL)))
        cells = padded.reshape(-(-height // CELL), CELL, -(-width // CELL), CELL).any((1, 3))
        return torch.from_numpy(np.argwhere(cells))

    def place(self, row: int, epoch: int) -> tuple[int, int, torch.Generator]:
        """Return top and left of a tile, and the generator that drew them, for what follows."""
        tiles, image = self.tiles, row // self.tiles.number
        draw = generator(tiles.seed, "tile", epoch, row)
        height, width = self.images.arrays["labels"].array.shape[-2:]
        cells = self.cells[image]
        if uniform(draw) >= tiles.sought_share or not len(cells):
            return whole(draw, 0, height - tiles.side), whole(draw, 0, width - tiles.side), draw
        cell = cells[whole(draw, 0, len(cells) - 1)].tolist()
        # The cell's own place within the tile is drawn, then moved where the image ends.
        top, left = (
            min(max(0, at * CELL - whole(draw, 0, max(0, tiles.side - CELL))), size - tiles.side)
            for at, size in zip(cell, (height, width), strict=True)
        )
        return top, left, draw

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Cut some tiles.

        Args:
            rows: int64, ``(b,)``.
            epoch: Where they lie follows from it.
        """
        side, cut = self.tiles.side, []
        for row in rows.tolist():
            top, left, draw = self.place(row, epoch)
            stored = int(self.images.rows[row // self.tiles.number])
            tile = {
                name: torch.from_numpy(
                    np.array(mapped.array[stored, :, top : top + side, left : left + side])
                )
                for name, mapped in self.images.arrays.items()
            }
            cut.append(tile if self.tiles.transform is None else self.tiles.transform(tile, draw))
        raw = {name: torch.stack([tile[name] for tile in cut]) for name in self.images.arrays}
        seen = self.images.view(raw, rows, epoch)
        return Batch(
            inputs={name: seen[name] for name in self.task.modalities},
            present=self.present.index_select(0, rows),
            target=seen["labels"],
            index=rows,
        )
