"""Label maps as files: one PNG per image whose values are classes, or one ``.npz``."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from dmrnet.modalities import name_of
from dmrnet.report.figures.label_maps import palette
from dmrnet.storage import write_bytes, write_text

LONGEST = 80
"""Longest file name, in characters."""


@dataclass(frozen=True)
class PredictedMaps:
    """Label maps with the names of their n images, V modalities and M classes.

    `seen` is bool ``(n, V)``, True where a modality was used; `maps` are batches uint8
    ``(b, H, W)`` of the images in order.
    """

    samples: Sequence[str]
    seen: Tensor
    modalities: Sequence[str]
    classes: Sequence[str]
    maps: Iterator[Tensor]


def write_maps(out: Path, given: PredictedMaps) -> None:
    """Write label maps as arrays if `out` ends in ``.npz``, otherwise into a folder."""
    if out.suffix == ".npz":
        write_bytes(out, as_arrays(given))
    else:
        write_folder(out, given)


def as_arrays(given: PredictedMaps) -> bytes:
    """Return an ``.npz`` with `predicted`, uint8 ``(n, H, W)``, and the names of images."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        sample=np.array(given.samples),
        seen=given.seen.numpy(),
        modalities=np.array(given.modalities),
        predicted=np.concatenate([maps.numpy() for maps in given.maps]),
        classes=np.array(given.classes),
    )
    return stream.getvalue()


def write_folder(folder: Path, given: PredictedMaps) -> None:
    """Write each image's PNG as soon as it is predicted, ``classes.csv`` and ``images.csv``.

    A pixel's value is the number of its class, coloured by the palette. Existing files of these
    names are replaced; ``images.csv`` is written last.
    """
    colours = (palette(len(given.classes))[:-1] * 255).round().astype(np.uint8)
    rows = [
        [str(number), name, "#{:02x}{:02x}{:02x}".format(*colour)]
        for number, (name, colour) in enumerate(zip(given.classes, colours.tolist(), strict=True))
    ]
    write_text(folder / "classes.csv", table([["value", "class", "colour"], *rows]))
    listed = [["file", "sample", "seen", *(f"share({name})" for name in given.classes)]]
    files = iter(zip(file_names(given.samples), given.samples, given.seen, strict=True))
    for maps in given.maps:
        for labels, (file, sample, seen) in zip(maps.numpy(), files, strict=False):
            write_bytes(folder / file, as_png(labels, colours))
            share = np.bincount(labels.ravel(), minlength=len(given.classes)) / labels.size
            names = name_of(seen, given.modalities)
            listed.append([file, sample, names, *(f"{value:.6g}" for value in share)])
    # Names of samples need not be Unicode.
    write_bytes(folder / "images.csv", table(listed).encode(errors="surrogateescape"))


def as_png(
    labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    colours: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> bytes:
    """Return labels ``(H, W)`` as a PNG with a palette."""
    stream = io.BytesIO()
    image = Image.fromarray(labels, mode="L")
    image.putpalette(colours.tobytes())
    image.save(stream, "PNG")
    return stream.getvalue()


def file_names(samples: Sequence[str]) -> list[str]:
    """Return a file name for each image, unique also when case is ignored.

    >>> file_names(["image 28", "a/b.png", "a_b.png"])
    ['image_28.png', '1-a_b.png', '2-a_b.png']
    """
    plain = [
        re.sub(r"[^\w.-]+", "_", name).strip("._")[:LONGEST].removesuffix(".png")
        for name in samples
    ]
    times = Counter(name.lower() for name in plain)
    # A numbered name may equal another name; then all are numbered.
    unique = [bool(name) and times[name.lower()] == 1 for name in plain]
    names = [
        name if own else f"{row}-{name}"
        for row, (name, own) in enumerate(zip(plain, unique, strict=True))
    ]
    if len({name.lower() for name in names}) < len(names):
        names = [f"{row}-{name}" for row, name in enumerate(plain)]
    return [f"{name}.png" for name in names]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
