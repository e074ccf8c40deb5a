"""Images of a file, or of Python, held in memory, with a class for every pixel or to predict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.overlap import row_hashes
from dmrnet.data.dataset import ArrayDataset, fingerprint_of_arrays
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import skipped_notes
from dmrnet.data.files.arrays.layout import Layout
from dmrnet.data.files.arrays.source import TARGET, ArraySource, Source
from dmrnet.data.files.reading import arranged, check_groups, groups_of
from dmrnet.data.files.sample_table import SampleTable, read_table
from dmrnet.data.inputs.cells import cell_notes, count_missing
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.views import ImageView
from dmrnet.data.mapped import MappedDataset
from dmrnet.data.pixel_labels import class_numbers
from dmrnet.data.tile_splits import OpenedImages
from dmrnet.modalities import Modality, Task
from dmrnet.targets.classes import UNLABELLED

if TYPE_CHECKING:
    from dmrnet.data.sets.images import Images


class FileImages(OpenedImages):
    """Images of a file, or of Python, in memory; without labels if not `labelled`.

    They have one size. A file has an array ``(n, C, H, W)``, ``(n, H, W, C)`` or, of one channel,
    ``(n, H, W)`` a modality; labels ``y``, whole numbers ``(n, H, W)``; and optionally ``present``
    and ``samples``.

    Attributes:
        inputs: Modalities, with the size of the file's images.
        arrays: float32 or float64 ``(n, C, H, W)`` a modality, 0 where it is absent.
        samples: Names of the images, if they have any.
        warnings: Sentences on what is probably wrong.
        skipped: Images that are left out because they cannot be used.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is wrong; the message says where.
    """

    def __init__(
        self,
        source: str | Source,
        options: Images,
        task: Task | None = None,
        standardiser: Standardiser | None = None,
        labelled: bool = True,
    ) -> None:
        super().__init__(source, options)
        assert isinstance(source, str | ArraySource)
        rules, known = replace(options.rules, cells=options.cells), task.inputs if task else ()
        # A copy: what is reserved changes below, and data of Python are the user's.
        archive = copy(open_source(source, rules.groups))
        self.path = archive.path
        fine, usual, cells = None, None, rules.fills_cells
        if standardiser is not None:
            fine, usual = standardiser.fine, standardiser.constants()
            cells = standardiser.imputer is not None
        if not known:
            check_groups(archive, rules.groups)
        names = tuple(modality.name for modality in known) or archive.names
        archive.check_known(names)
        labels = _labels(archive) if labelled else None
        # `read_table` expects one label per sample.
        archive.reserved = tuple(name for name in archive.reserved if name != TARGET)
        table = read_table(archive, names, names, rules, fine=fine, cells=cells, sequences=False)
        self.warnings = (*skipped_notes(table.skipped), *table.doubts(archive, names, usual))
        self.present, self.samples = torch.from_numpy(table.present), table.samples
        self.groups, self.skipped = groups_of(table, rules.groups), table.skipped
        size = None
        if labels is not None:
            labels = (
                labels if table.file_rows is None else labels[torch.from_numpy(table.file_rows)]
            )
            if len(labels) != table.rows:
                raise ValueError(
                    f"{self.path}: {next(iter(table.arrays))} has {table.rows} rows but {TARGET} "
                    f"has {len(labels)}; row i of every array must be sample i"
                )
            self.labels = labels.masked_fill(labels == options.ignore, -1).clamp(min=-1)
            size = tuple(labels.shape[1:])
        channels = {modality.name: modality.shape[0] for modality in known}
        self.inputs, self.arrays = _planes(table, names, channels, size)
        self.channels = {one.name: one.shape[0] for one in self.inputs}

    def count(self, numbers: Sequence[int]) -> Tensor:
        """Return the number of pixels of each class in each image; labels become classes."""
        self.labels = class_numbers(self.path, self.labels, numbers)
        counts = [one[one >= 0].bincount(minlength=len(numbers)) for one in self.labels]
        self.pixels = torch.stack(counts)
        return self.pixels

    def smallest_side(self, rows: Tensor) -> int:
        """Return the smaller one of height and width."""
        return min(self.inputs[0].shape[1:])

    def fit(self, rows: Tensor) -> Standardiser:
        """Return the standardiser of some images."""
        names, arrays = tuple(self.channels), self._arrays(rows)
        return Standardiser.fit(arrays, self.present[rows], names, self.options.cells)

    def cell_notes(self, role: str, rows: Tensor) -> list[str]:
        """Return sentences on the missing cells of some images."""
        if self.options.cells == "refuse":
            return []
        missing = count_missing(self._arrays(rows), self.present[rows], self.inputs)
        return cell_notes(role, missing, self.options.cells if role == "train" else None)

    def part(
        self, role: str, rows: Tensor, task: Task, standardiser: Standardiser
    ) -> MappedDataset:
        """Return some images as a split; images that are held out have no warnings of their own."""
        labels, present = self.labels[rows], self.present[rows]
        arrays = {name: self.arrays[name][rows] for name in task.modalities}
        content = fingerprint_of_arrays({**arrays, "y": labels})
        hashes = row_hashes(list(arrays.values()), present)
        stored = {
            name: standardiser.apply(name, array, present[:, column]).numpy()
            for column, (name, array) in enumerate(arrays.items())
        }
        stored["labels"] = labels[:, None].numpy()
        names = self.samples or [str(row) for row in range(len(self.present))]
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
        dataset.skipped = self.skipped
        if role != "val":
            dataset.warnings = tuple(f"{role}: {note}" for note in self.warnings)
        return dataset

    def unlabelled(
        self, task: Task, standardiser: Standardiser, holes: Collection[str] = ()
    ) -> ArrayDataset:
        """Return all images to predict.

        Args:
            task: Task of the training; the size of its images need not agree.
            standardiser: Standardiser of the training.
            holes: Modalities in which 0 is a hole and stays 0.
        """
        empty = {name: self.arrays[name] == 0 for name in holes}
        target = torch.full((len(self.present),), UNLABELLED)
        task = replace(task, inputs=self.inputs)
        dataset = ArrayDataset(task, self.arrays, self.present, target, self.samples)
        dataset.standardise(standardiser)
        for name, hole in empty.items():
            dataset.arrays[name].masked_fill_(hole, 0.0)
        dataset.warnings = tuple(f"file: {note}" for note in self.warnings)
        dataset.skipped = self.skipped
        return dataset

    def _arrays(self, rows: Tensor) -> dict[str, Tensor]:
        return {name: array[rows] for name, array in self.arrays.items()}


def _planes(
    table: SampleTable,
    names: Sequence[str],
    known: Mapping[str, int],
    size: tuple[int, ...] | None,
) -> tuple[tuple[Modality, ...], dict[str, Tensor]]:
    """Return the modalities and their images, channels first; the table loses its arrays.

    Args:
        table: Content of the file.
        names: Names of the modalities.
        known: Their numbers of channels, where a training says so.
        size: Height and width of the labels; None without labels.
    """
    layouts = {
        name: image_layout(table.path, name, array.shape[1:], known.get(name), size)
        for name, array in table.arrays.items()
    }
    sizes = {name: shape[1:] for name, (shape, _) in layouts.items()}
    if len({*sizes.values()}) > 1:
        got = ", ".join(f"{name} {height} x {width}" for name, (height, width) in sizes.items())
        raise ValueError(f"{table.path}: expected images of one size for all modalities, got {got}")
    usual = next(iter(sizes.values()))
    inputs, arrays = [], {}
    for column, name in enumerate(names):
        shape, channels_last = layouts.get(name, ((known.get(name, 1), *usual), False))
        inputs.append(Modality(name, "image", shape))
        if name not in layouts:
            arrays[name] = torch.zeros(1, *shape).expand(table.rows, *shape)
            continue
        arrays[name] = arranged(table.arrays.pop(name), Layout("image", channels_last))
        arrays[name][torch.from_numpy(~table.present[:, column])] = 0.0
    return tuple(inputs), arrays


def image_layout(
    path: str,
    name: str,
    shape: tuple[int, ...],
    channels: int | None,
    size: tuple[int, ...] | None,
) -> tuple[tuple[int, int, int], bool]:
    """Return channels, height and width of images, and whether channels come last.

    Args:
        path: Path of the file, for messages.
        name: Name of the modality, for messages.
        shape: Shape of one sample in the file.
        channels: Expected number of channels; None accepts any.
        size: Expected height and width; None accepts any.

    Raises:
        ValueError: If the shape is that of no such image.

    >>> image_layout("", "rgb", (480, 640, 3), 3, None)
    ((3, 480, 640), True)
    """
    first = (1, *shape) if len(shape) == 2 else shape
    last = (*shape[-1:], *shape[:-1]) if len(shape) == 3 else ()
    for image in (first, last):
        if len(image) == 3 and channels in (None, image[0]) and size in (None, image[1:]):
            return (image[0], image[1], image[2]), image is last
    c = "C" if channels is None else channels
    h, w = size or ("H", "W")
    flat = f", or (n, {h}, {w})" if channels in (None, 1) else ""
    raise ValueError(
        f"{path}: modality {name}: expected images (n, {c}, {h}, {w}) or (n, {h}, {w}, {c}){flat}, "
        f"got (n, {', '.join(map(str, shape))})"
        + (f"; {TARGET} (n, {h}, {w}) is a class for every pixel" if size else "")
    )


def _labels(archive: ArraySource) -> Tensor:
    """Return the class of every pixel, int64 ``(n, H, W)``."""
    archive.check_target("the classes of pixels, (n, H, W),")
    labels = archive.read(TARGET)
    if labels.ndim != 3 or labels.dtype.kind not in "iu" or not labels.size:
        more = "; for one class per sample use the data arrays (--data)" if labels.ndim == 1 else ""
        more = (
            "; for a class for every voxel use the data volumes (--data)"
            if labels.ndim == 4
            else more
        )
        raise ValueError(
            f"{archive.path}: expected {TARGET} as whole numbers (n, H, W), a class for every "
            f"pixel, got {labels.dtype} {labels.shape}{more}"
        )
    return torch.from_numpy(labels.astype(np.int64))
