"""Patches of volumes to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.data.dataset import Dataset
from dmrnet.data.inputs.transforms import integer, uniform
from dmrnet.data.splits.split import generator
from dmrnet.data.volumes.options import VolumeOptions
from dmrnet.data.volumes.rows import VOID, VolumeRows
from dmrnet.modalities import Batch


class PatchDataset(Dataset):
    """Patches of the volumes of a data set; row r is a patch of volume ``r // number``.

    Patches are drawn by (seed, epoch, row). A share of them has a voxel of a class other than the
    first at its centre: the class is drawn among those of the volume, then one of its voxels. Where
    that would leave the volume, the patch is moved. A volume that is smaller than a patch lies in
    its middle, between zeros without a class.

    Args:
        volumes: Volumes to cut.
        sides: Depth, height and width of a patch.
        options: How many patches there are, where they lie, and how they are augmented.
        seed: Seed of the run.
    """

    samples: tuple[str, ...]

    def __init__(
        self, volumes: VolumeRows, sides: Sequence[int], options: VolumeOptions, seed: int
    ) -> None:
        self.volumes, self.sides, self.seed = volumes, tuple(sides), seed
        self.number, self.foreground = options.patches, options.foreground
        self.flip, self.intensity = options.augment == "flip", options.intensity
        self.task, self.pixels, self._content = volumes.task, volumes.pixels, volumes.content
        self.row_hashes = volumes.row_hashes  # of whole volumes, with which others are compared
        self.target = volumes.target.repeat_interleave(self.number)
        self.present = volumes.present.repeat_interleave(self.number, 0)
        self.samples = tuple(
            f"{name}, patch {k}" for name in volumes.samples for k in range(self.number)
        )

    def start(self, row: int, draw: torch.Generator) -> list[int]:
        """Return the first voxel of a patch along each axis; below 0 where a volume is smaller."""
        volume = row // self.number
        size = self.volumes.size(volume)
        if uniform(draw) >= self.foreground or (centre := self._voxel(volume, draw)) is None:
            return [
                integer(draw, 0, whole - side) if whole > side else -((side - whole) // 2)
                for whole, side in zip(size, self.sides, strict=True)
            ]
        return [
            min(max(0, at - side // 2), whole - side) if whole > side else -((side - whole) // 2)
            for at, whole, side in zip(centre, size, self.sides, strict=True)
        ]

    def _voxel(self, volume: int, draw: torch.Generator) -> tuple[int, ...] | None:
        """Draw a voxel of a class other than the first; None where the volume has none."""
        occurring = self.volumes.pixels[volume, 1:].nonzero().flatten() + 1
        labels = self.volumes.raw_labels(volume) if len(occurring) else None
        if labels is None:
            return None
        chosen = int(occurring[integer(draw, 0, len(occurring) - 1)])
        numbers = self.volumes.numbers
        voxels = np.flatnonzero(labels == (chosen if numbers is None else numbers[chosen]))
        at = voxels[integer(draw, 0, len(voxels) - 1)]
        return tuple(int(one) for one in np.unravel_index(at, labels.shape))

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Cut a batch of patches; the epoch also seeds their positions."""
        cut = [self._patch(row, epoch) for row in rows.tolist()]
        inputs = {
            name: torch.stack([values[name] for values, _ in cut]) for name in self.task.modalities
        }
        return self._batch(inputs, rows, torch.stack([labels for _, labels in cut]))

    def _patch(self, row: int, epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Return the modalities and the classes of one patch, augmented."""
        draw = generator(self.seed, "patch", epoch, row)
        volume = row // self.number
        size, start = self.volumes.size(volume), self.start(row, draw)
        ends = [first + side for first, side in zip(start, self.sides, strict=True)]
        box = tuple(
            slice(max(0, first), min(end, whole))
            for first, end, whole in zip(start, ends, size, strict=True)
        )
        inputs, labels = self.volumes.read(volume, box)  # type: ignore[arg-type]
        if self.intensity:
            low, high = 1 - self.intensity, 1 + self.intensity
            inputs = {
                name: x * uniform(draw, low, high) + uniform(draw, low - 1, high - 1)
                for name, x in inputs.items()
            }
        outside: list[int] = []
        for first, end, whole in reversed(list(zip(start, ends, size, strict=True))):
            outside += [max(0, -first), max(0, end - whole)]
        if any(outside):
            inputs = {name: F.pad(x, outside) for name, x in inputs.items()}
            labels = F.pad(labels, outside, value=VOID)
        if self.flip:
            axes = [axis for axis in (-3, -2, -1) if integer(draw, 0, 1)]
            inputs = {name: x.flip(axes) for name, x in inputs.items()}
            labels = labels.flip(axes)
        return inputs, labels
