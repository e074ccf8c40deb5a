"""Reading images of one's own, and a class for every pixel of them, from a file of arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import UNLABELLED, ArrayDataset
from dmrnet.data.files.layout import LAST, parse_kind
from dmrnet.data.files.npz import TARGET, Archive, read_table
from dmrnet.data.standardise import Standardiser
from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task

FLAT = 0.05
"""Images that, standardised, vary by less than so much are most likely in another unit."""


@dataclass(frozen=True)
class Images:
    """What a file holds.

    Attributes:
        inputs: The modalities, in the size of the file.
        arrays: float32 or float64 ``(n, C, H, W)`` a modality, 0 where it is absent.
        present: bool ``(n, V)``.
        samples: Names of the images, if they have any.
        labels: int64 ``(n, H, W)``, as they stand; None where they were not asked for.
    """

    inputs: tuple[Modality, ...]
    arrays: dict[str, Tensor]
    present: Tensor
    samples: tuple[str, ...] | None
    labels: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.inputs[0].shape[1], self.inputs[0].shape[2]


def read_file(
    path: str, known: Sequence[Modality], labelled: bool, fine: Collection[str] | None = frozenset()
) -> Images:
    """Read images of one size.

    Args:
        path: An ``.npz`` file with an array ``(n, C, H, W)``, ``(n, H, W, C)`` or, of one channel,
            ``(n, H, W)`` a modality, and, as every file of arrays may have them, ``present`` and
            ``samples``.
        known: The modalities of the training, whose size is not looked at; none in the training
            file itself.
        labelled: Read ``y``, whole numbers ``(n, H, W)``; else it is not looked at.
        fine: Modalities that stay in float64; None: those whose numbers need it.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not as it should be; it says what and where.
    """
    archive = Archive(path)
    names = tuple(modality.name for modality in known) or archive.names
    unknown = [name for name in archive.names if name not in names]
    if unknown:
        raise ValueError(
            f"{path}: training had no modality {unknown[0]!r}, so nothing is known of it: leave it "
            f"out, or rename it; {nearest(unknown[0], names)}"
        )
    labels = _labels(archive) if labelled else None
    # What follows knows one label a sample.
    archive.reserved = tuple(name for name in archive.reserved if name != TARGET)
    table = read_table(archive, names, names, fine)
    if labels is not None and len(labels) != table.rows:
        first = next(iter(table.arrays))
        raise ValueError(
            f"{path}: {first} has {table.rows} rows but {TARGET} has {len(labels)}; row i of every "
            "array must be sample i"
        )
    size = None if labels is None else tuple(labels.shape[1:])
    channels = {modality.name: modality.shape[0] for modality in known}
    laid = {
        name: layout_of(path, name, array.shape[1:], channels.get(name), size)
        for name, array in table.arrays.items()
    }
    sizes = {name: shape[1:] for name, (shape, _) in laid.items()}
    if len({*sizes.values()}) > 1:
        told = ", ".join(f"{name} {high} x {wide}" for name, (high, wide) in sizes.items())
        raise ValueError(f"{path}: expected images of one size for all modalities, got {told}")
    high, wide = next(iter(sizes.values()))
    inputs, arrays = [], {}
    for column, name in enumerate(names):
        shape = laid[name][0] if name in laid else (channels.get(name, 1), high, wide)
        inputs.append(Modality(name, "image", shape))
        if name not in laid:
            arrays[name] = torch.zeros(1, *shape).expand(table.rows, *shape)
            continue
        array = torch.from_numpy(table.arrays.pop(name))
        if laid[name][1]:
            array = array.movedim(-1, 1).contiguous()
        arrays[name] = array.reshape(table.rows, *shape)
        arrays[name][torch.from_numpy(~table.present[:, column])] = 0.0
    present = torch.from_numpy(table.present)
    return Images(tuple(inputs), arrays, present, table.samples, labels)


def layout_of(
    path: str,
    name: str,
    shape: tuple[int, ...],
    channels: int | None,
    size: tuple[int, ...] | None,
) -> tuple[tuple[int, int, int], bool]:
    """Return channels, height and width of images, and whether channels come last.

    Args:
        path: Of the file, for messages.
        name: Of the modality.
        shape: Of one sample in the file.
        channels: How many there must be; None for any number.
        size: The height and width that labels have; None where there are none.

    Raises:
        ValueError: If it is no such image.

    >>> layout_of("", "rgb", (480, 640, 3), 3, None), layout_of("", "red", (48, 64), None, (48, 64))
    (((3, 480, 640), True), ((1, 48, 64), False))
    """
    for kind in ("image", f"image{LAST}"):
        try:
            found = parse_kind(kind).shape(shape)
        except ValueError:
            continue
        fits = channels in (None, found[0]) and size in (None, found[1:])
        if len(found) == 3 and fits:
            return (found[0], found[1], found[2]), kind.endswith(LAST)
    c = "C" if channels is None else channels
    h, w = size or ("H", "W")
    flat = f", or (n, {h}, {w})" if channels in (None, 1) else ""
    raise ValueError(
        f"{path}: modality {name}: expected images (n, {c}, {h}, {w}) or (n, {h}, {w}, {c}){flat}, "
        f"got (n, {', '.join(map(str, shape))})"
    )


def _labels(archive: Archive) -> Tensor:
    """Return the labels of pixels, int64 ``(n, H, W)``."""
    path = archive.path
    if TARGET not in archive.reserved:
        raise ValueError(
            f"{path}: expected the classes of pixels as an array {TARGET!r}, (n, H, W); it has "
            f"{', '.join((*archive.names, *archive.reserved))}"
        )
    labels = archive.read(TARGET)
    if labels.ndim != 3 or labels.dtype.kind not in "iu" or not labels.size:
        more = "; for one class a sample take --data arrays" if labels.ndim == 1 else ""
        raise ValueError(
            f"{path}: expected {TARGET} as whole numbers (n, H, W), a class for every pixel, got "
            f"{labels.dtype} {labels.shape}{more}"
        )
    return torch.from_numpy(labels.astype(np.int64))


def read_images(
    path: str, task: Task, standardiser: Standardiser, holes: Collection[str] = ()
) -> ArrayDataset:
    """Read images to predict, of any one size, on the scale that the training's are stored in.

    Args:
        path: As `read_file` has it; labels are not looked at.
        task: Of the training; the size of its images is not looked at.
        standardiser: That of the training.
        holes: Modalities of which a 0 is a hole and stays 0.

    Returns:
        The images; their targets are unknown.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not as it should be; it says what and where.
    """
    images = read_file(path, task.inputs, labelled=False, fine=standardiser.fine)
    empty = {name: images.arrays[name] == 0 for name in holes}
    target = torch.full((len(images.present),), UNLABELLED)
    sized = replace(task, inputs=images.inputs)
    found = ArrayDataset(sized, images.arrays, images.present, target, images.samples)
    found.standardise(standardiser)
    for name, hole in empty.items():
        found.arrays[name].masked_fill_(hole, 0.0)
    found.notes = tuple(
        f"{name} hardly varies beside the images of the training; expected the same unit (mean "
        f"{_told(standardiser.mean[name])}, deviation {_told(standardiser.std[name])})"
        for column, name in enumerate(task.modalities)
        if _is_flat(found.arrays[name], found.present[:, column])
    )
    return found


def _is_flat(array: Tensor, present: Tensor) -> bool:
    # Some of many images tell.
    here = present.nonzero().flatten()[:16]
    return bool(len(here)) and float(array[here].std(correction=0)) < FLAT


def _told(values: Tensor) -> str:
    return " ".join(f"{value:.4g}" for value in values.tolist())
