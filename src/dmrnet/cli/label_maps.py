"""Label maps as files: a PNG of each image whose values are classes, or one ``.npz``."""

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
"""Letters of a file's name."""


@dataclass(frozen=True)
class Maps:
    """Label maps and what they are of.

    Attributes:
        samples: Names of the images.
        seen: bool ``(n, V)``: what was seen of each.
        modalities: V names.
        classes: M names.
        maps: uint8 ``(b, H, W)`` each, n images in all, in order.
    """

    samples: Sequence[str]
    seen: Tensor
    modalities: Sequence[str]
    classes: Sequence[str]
    maps: Iterator[Tensor]


def write_maps(out: Path, given: Maps) -> None:
    """Write them: where `out` ends in ``.npz`` as arrays, else into a folder of that name."""
    if out.suffix == ".npz":
        write_bytes(out, as_arrays(given))
    else:
        write_folder(out, given)


def as_arrays(given: Maps) -> bytes:
    """Return `predicted` uint8 ``(n, H, W)``, and beside it what `write_folder` lists."""
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


def write_folder(folder: Path, given: Maps) -> None:
    """Write a PNG an image, as soon as it is predicted, ``classes.csv`` and ``images.csv``.

    A pixel's value is the number of its class; the palette gives it a colour. Files of those names
    are replaced; ``images.csv`` comes last.
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
    """Return a PNG with a palette, whose values are the labels ``(H, W)``."""
    stream = io.BytesIO()
    image = Image.fromarray(labels, mode="L")
    image.putpalette(colours.tobytes())
    image.save(stream, "PNG")
    return stream.getvalue()


def file_names(samples: Sequence[str]) -> list[str]:
    """Return a name for the file of each image, all different, also where case does not count.

    >>> file_names(["image 28", "a/b.png", "a_b.png"])
    ['image_28.png', '1-a_b.png', '2-a_b.png']
    """
    plain = [
        re.sub(r"[^\w.-]+", "_", name).strip("._")[:LONGEST].removesuffix(".png")
        for name in samples
    ]
    times = Counter(name.lower() for name in plain)
    # A number in front of a name can be the name of another; then all have one.
    alone = [bool(name) and times[name.lower()] == 1 for name in plain]
    made = [
        name if own else f"{row}-{name}"
        for row, (name, own) in enumerate(zip(plain, alone, strict=True))
    ]
    if len({name.lower() for name in made}) < len(made):
        made = [f"{row}-{name}" for row, name in enumerate(plain)]
    return [f"{name}.png" for name in made]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
