"""Images of one's own, in a file of arrays, for a run whose every pixel has a class."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch

from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.layout import LAST, parse_kind
from dmrnet.data.npz import Archive
from dmrnet.data.reading import another_split
from dmrnet.data.standardise import Standardiser
from dmrnet.modalities import Modality, Task

FLAT = 0.05
"""Images that, standardised, vary by less than so much are most likely in another unit."""


def read_images(
    path: str, task: Task, standardiser: Standardiser, holes: Collection[str] = ()
) -> ArrayDataset:
    """Read images, of any one size, on the scale that the data set of the training is stored in.

    Args:
        path: An ``.npz`` file with an array ``(n, C, H, W)``, ``(n, H, W, C)`` or, of one channel,
            ``(n, H, W)`` a modality, and, as every file of arrays may have them, ``present`` and
            ``samples``.
        task: Of the training; the size of its images is not looked at.
        standardiser: That of the training.
        holes: Modalities of which a 0 is a hole and stays 0.

    Returns:
        The images; their targets are unknown.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not as it should be; it says what and where.
    """
    archive = Archive(path)
    sizes, kinds = {}, {}
    for modality in task.inputs:
        if modality.name in archive.names:
            shape = archive.read(modality.name).shape[1:]
            sizes[modality.name], kinds[modality.name] = size_of(path, modality, shape)
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {high} x {wide}" for name, (high, wide) in sizes.items())
        raise ValueError(f"{path}: expected images of one size for all modalities, got {told}")
    # Without any of the modalities, reading says so.
    size = next(iter(sizes.values()), (1, 1))
    inputs = tuple(replace(m, shape=(m.shape[0], *size)) for m in task.inputs)
    found = another_split(path, replace(task, inputs=inputs), kinds, task.modalities, False)
    empty = {name: found.arrays[name] == 0 for name in holes}
    found.standardise(standardiser)
    for name, hole in empty.items():
        found.arrays[name].masked_fill_(hole, 0.0)
    flat = [name for name in sizes if _is_flat(found, task.modalities.index(name))]
    found.notes = (
        *found.notes,
        *(
            f"{name} hardly varies beside the images of the training; expected the same unit "
            f"(mean {_told(standardiser.mean[name])}, deviation {_told(standardiser.std[name])})"
            for name in flat
        ),
    )
    return found


def size_of(path: str, modality: Modality, shape: tuple[int, ...]) -> tuple[tuple[int, int], str]:
    """Return height and width of images, and how they are laid out, as `kinds` has it.

    Args:
        path: Of the file, for messages.
        modality: As it was in training.
        shape: Of one sample in the file.

    Raises:
        ValueError: If it is no image of so many channels.

    >>> size_of("", Modality("rgb", "image", (3, 32, 32)), (480, 640, 3))
    ((480, 640), 'image-last')
    """
    channels = modality.shape[0]
    for kind in ("image", f"image{LAST}"):
        try:
            found = parse_kind(kind).shape(shape)
        except ValueError:
            continue
        if found[0] == channels and len(found) == 3:
            return (found[1], found[2]), kind
    flat = ", or (n, H, W)" if channels == 1 else ""
    raise ValueError(
        f"{path}: modality {modality.name}: expected images (n, {channels}, H, W) or "
        f"(n, H, W, {channels}){flat}, got (n, {', '.join(map(str, shape))})"
    )


def _is_flat(images: ArrayDataset, column: int) -> bool:
    name = images.task.modalities[column]
    here = images.present[:, column].nonzero().flatten()
    if not len(here):
        return False
    # Some of many images tell.
    return float(images.arrays[name][here[:16]].std(correction=0)) < FLAT


def _told(values: torch.Tensor) -> str:
    return " ".join(f"{value:.4g}" for value in values.tolist())
