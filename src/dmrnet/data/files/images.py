"""Reading the user's own images, and a class for every pixel of them, from an ``.npz`` file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import SkippedRow, skipped_notes
from dmrnet.data.files.arrays.layout import Layout
from dmrnet.data.files.arrays.source import TARGET, ArraySource
from dmrnet.data.files.reading import arranged, check_groups, groups_of
from dmrnet.data.files.rules import USUAL_RULES, FileRules
from dmrnet.data.files.sample_table import read_table
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.modalities import Modality, Task
from dmrnet.targets.classes import UNLABELLED


@dataclass(frozen=True)
class ImageFile:
    """Content of a file of images.

    Attributes:
        inputs: Modalities, with the size of the file's images.
        arrays: float32 or float64 ``(n, C, H, W)`` a modality, 0 where it is absent.
        present: Bool ``(n, V)``, True where the image has the modality.
        samples: Names of the images, if they have any.
        labels: int64 ``(n, H, W)`` as in the file; None if they were not read.
        groups: Group of each image; None where images are independent.
        warnings: Sentences on what is probably wrong.
        skipped: Images that are left out because they cannot be used.
    """

    inputs: tuple[Modality, ...]
    arrays: dict[str, Tensor]
    present: Tensor
    samples: tuple[str, ...] | None
    labels: Tensor | None = None
    groups: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()


def read_image_file(
    source: str | ArraySource,
    known: Sequence[Modality] = (),
    rules: FileRules = USUAL_RULES,
    standardiser: Standardiser | None = None,
    labelled: bool = True,
) -> ImageFile:
    """Read images of one size.

    Args:
        source: ``.npz`` file with an array ``(n, C, H, W)``, ``(n, H, W, C)`` or, of one channel,
            ``(n, H, W)`` a modality, and optionally ``present`` and ``samples``.
        known: Modalities of the training, whose size need not agree; empty for the training file.
        rules: Settings of the files.
        standardiser: Standardiser of the training; None for the training file.
        labelled: Whether to read ``y``, whole numbers ``(n, H, W)``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is wrong; the message says where.
    """
    # A copy: what is reserved changes below, and data of Python are the user's.
    archive = copy(open_source(source, rules.groups))
    path = archive.path
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
    doubts = table.doubts(archive, names, usual)
    if labels is not None and table.file_rows is not None:
        labels = labels[torch.from_numpy(table.file_rows)]
    if labels is not None and len(labels) != table.rows:
        raise ValueError(
            f"{path}: {next(iter(table.arrays))} has {table.rows} rows but {TARGET} has "
            f"{len(labels)}; row i of every array must be sample i"
        )
    label_size = None if labels is None else tuple(labels.shape[1:])
    channels = {modality.name: modality.shape[0] for modality in known}
    layouts = {
        name: image_layout(path, name, array.shape[1:], channels.get(name), label_size)
        for name, array in table.arrays.items()
    }
    sizes = {name: shape[1:] for name, (shape, _) in layouts.items()}
    if len({*sizes.values()}) > 1:
        got = ", ".join(f"{name} {height} x {width}" for name, (height, width) in sizes.items())
        raise ValueError(f"{path}: expected images of one size for all modalities, got {got}")
    size = next(iter(sizes.values()))
    inputs, arrays = [], {}
    for column, name in enumerate(names):
        shape, channels_last = layouts.get(name, ((channels.get(name, 1), *size), False))
        inputs.append(Modality(name, "image", shape))
        if name not in layouts:
            arrays[name] = torch.zeros(1, *shape).expand(table.rows, *shape)
            continue
        arrays[name] = arranged(table.arrays.pop(name), Layout("image", channels_last))
        arrays[name][torch.from_numpy(~table.present[:, column])] = 0.0
    present = torch.from_numpy(table.present)
    of = groups_of(table, rules.groups)
    warnings = (*skipped_notes(table.skipped), *doubts)
    return ImageFile(
        tuple(inputs), arrays, present, table.samples, labels, of, warnings, table.skipped
    )


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


def read_images(
    source: str | ArraySource,
    task: Task,
    standardiser: Standardiser,
    holes: Collection[str] = (),
    rules: FileRules = USUAL_RULES,
) -> ArrayDataset:
    """Read images to predict, of any one size and without labels; see `read_image_file`.

    Args:
        source: Path of the file, or the file.
        task: Task of the training; the size of its images need not agree.
        standardiser: Standardiser of the training.
        holes: Modalities in which 0 is a hole and stays 0.
        rules: Settings of the files.
    """
    images = read_image_file(source, task.inputs, rules, standardiser, labelled=False)
    empty = {name: images.arrays[name] == 0 for name in holes}
    target = torch.full((len(images.present),), UNLABELLED)
    task = replace(task, inputs=images.inputs)
    dataset = ArrayDataset(task, images.arrays, images.present, target, images.samples)
    dataset.standardise(standardiser)
    for name, hole in empty.items():
        dataset.arrays[name].masked_fill_(hole, 0.0)
    dataset.warnings = tuple(f"file: {note}" for note in images.warnings)
    dataset.skipped = images.skipped
    return dataset
