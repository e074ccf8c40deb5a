"""Images with a class for every pixel, of a file or of Python, held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dmrnet.data.checks.overlap import row_hashes
from dmrnet.data.dataset import fingerprint_of_arrays
from dmrnet.data.files.arrays.source import ArraySource, Source
from dmrnet.data.files.images import read_image_file
from dmrnet.data.inputs.cells import cell_notes, count_missing
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.views import ImageView
from dmrnet.data.mapped import MappedDataset
from dmrnet.data.pixel_labels import class_numbers
from dmrnet.data.tile_splits import OpenedImages
from dmrnet.modalities import Task

if TYPE_CHECKING:
    from dmrnet.data.sets.images import Images


class FileImages(OpenedImages):
    """Images of a file, or of Python, in memory; all of one size."""

    def __init__(
        self,
        source: str | Source,
        options: Images,
        task: Task | None = None,
        standardiser: Standardiser | None = None,
    ) -> None:
        super().__init__(source, options)
        assert isinstance(source, str | ArraySource)
        known, rules = task.inputs if task else (), replace(options.rules, cells=options.cells)
        self.images = read_image_file(source, known, rules, standardiser)
        self.path = source if isinstance(source, str) else source.path
        self.present, self.groups = self.images.present, self.images.groups
        self.channels = {one.name: one.shape[0] for one in self.images.inputs}
        labels = self.images.labels
        assert labels is not None
        self.labels = labels.masked_fill(labels == options.ignore, -1).clamp(min=-1)

    def count(self, numbers: Sequence[int]) -> Tensor:
        """Return the number of pixels of each class in each image; labels become classes."""
        self.labels = class_numbers(self.path, self.labels, numbers)
        counts = [one[one >= 0].bincount(minlength=len(numbers)) for one in self.labels]
        self.pixels = torch.stack(counts)
        return self.pixels

    def smallest_side(self, rows: Tensor) -> int:
        """Return the smaller one of height and width."""
        return min(self.images.inputs[0].shape[1:])

    def fit(self, rows: Tensor) -> Standardiser:
        """Return the standardiser of some images."""
        names, arrays = tuple(self.channels), self._arrays(rows)
        return Standardiser.fit(arrays, self.present[rows], names, self.options.cells)

    def cell_notes(self, role: str, rows: Tensor) -> list[str]:
        """Return sentences on the missing cells of some images."""
        if self.options.cells == "refuse":
            return []
        missing = count_missing(self._arrays(rows), self.present[rows], self.images.inputs)
        return cell_notes(role, missing, self.options.cells if role == "train" else None)

    def part(
        self, role: str, rows: Tensor, task: Task, standardiser: Standardiser
    ) -> MappedDataset:
        """Return some images as a split; images that are held out have no warnings of their own."""
        labels, present, images = self.labels[rows], self.present[rows], self.images
        arrays = {name: images.arrays[name][rows] for name in task.modalities}
        content = fingerprint_of_arrays({**arrays, "y": labels})
        hashes = row_hashes(list(arrays.values()), present)
        stored = {
            name: standardiser.apply(name, array, present[:, column]).numpy()
            for column, (name, array) in enumerate(arrays.items())
        }
        stored["labels"] = labels[:, None].numpy()
        names = images.samples or [str(row) for row in range(len(self.present))]
        dataset = MappedDataset(
            task,
            stored,
            torch.arange(len(rows)),
            self.pixels[rows],
            [names[row] for row in rows.tolist()],
            ImageView({}),
            content,
        )
        dataset.present, dataset.row_hashes = present, hashes
        dataset.groups = self.groups and tuple(self.groups[row] for row in rows.tolist())
        dataset.skipped = images.skipped
        if role != "val":
            dataset.warnings = tuple(f"{role}: {note}" for note in images.warnings)
        return dataset

    def _arrays(self, rows: Tensor) -> dict[str, Tensor]:
        return {name: array[rows] for name, array in self.images.arrays.items()}
