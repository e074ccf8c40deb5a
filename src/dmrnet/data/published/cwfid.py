"""Preparing `cwfid`: photographs and annotations as PNG, and the list of the two splits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.decoding import as_rgb, opened_picture
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup, locate
from dmrnet.data.published.work import Decoder, Work
from dmrnet.data.sets.published.cwfid import CLASSES, VERSION, counts

SPLIT = "train_test_split.yaml"
COLOURS = {(0, 0, 0): 0, (0, 255, 0): 1, (255, 0, 0): 2}
"""Class of each colour of an annotation: black is soil, green crop, red weed."""


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the list, and the pictures and annotations that it names."""
    hint = "it is in the published repository cwfid/dataset, next to images and annotations"
    path = locate(sources, (SPLIT,), SPLIT, hint)
    numbers = sorted(set().union(*split_of(File(SPLIT, path).read()).values()))

    def files(folder: str, kind: str) -> list[File]:
        names = [f"{number:03}_{kind}.png" for number in numbers]
        return [File(name, path.parent / folder / name) for name in names]

    return {
        "split": [File(SPLIT, path)],
        "images": files("images", "image"),
        "labels": files("annotations", "annotation"),
    }


def split_of(content: bytes) -> dict[str, list[int]]:
    r"""Return the numbers of the images for training and testing, as published.

    >>> split_of(b"train: [2, 5, 28]\ntest: [1, 28]\n")
    {'train': [2, 5, 28], 'test': [1, 28]}

    Raises:
        ValueError: If one of the two lists is missing or empty.
    """
    text = re.sub("#.*", "", content.decode("utf-8-sig", errors="replace"))
    parts = re.split(r"^\s*(train|test)\s*:", text, flags=re.MULTILINE)
    split = {
        name: [int(number) for number in re.findall(r"\d+", numbers)]
        for name, numbers in zip(parts[1::2], parts[2::2], strict=True)
    }
    lacking = [name for name in ("train", "test") if not split.get(name)]
    if lacking:
        raise ValueError(
            f"{SPLIT}: expected lists of numbers under train and test, found none under "
            f"{' and '.join(lacking)}"
        )
    return split


def usual_size(files: Sequence[File]) -> tuple[int, int]:
    """Return the height and width that most pictures state; 0 and 0 if none does."""
    sizes: Counter[tuple[int, int]] = Counter()
    for file in files:
        # What is wrong with a picture is reported when it is decoded.
        with suppress(Exception):
            file.check()
            with Image.open(file.path) as picture:
                sizes[picture.height, picture.width] += 1
    return sizes.most_common(1)[0][0] if sizes else (0, 0)


def decoder(size: tuple[int, int], convert: Callable[[Array], Array]) -> Decoder:
    """Return the decoder of a PNG of a height and width; `convert` gets its pixels.

    They are RGB, uint8 ``(H, W, 3)``.
    """

    def decode(content: bytes) -> Array:
        with opened_picture(content) as picture:
            height, width = picture.height, picture.width
            # Pixels are decoded only at the expected size.
            values = np.asarray(as_rgb(picture)) if (height, width) == size else None
        if values is None:
            raise ValueError(f"is {height} x {width}, where most are {size[0]} x {size[1]}")
        return convert(values)

    return decode


def planes(values: Array) -> Array:
    """Return red and near infrared, uint8 ``(2, H, W)``, of a photograph ``(red, nir, red)``."""
    if not np.array_equal(values[..., 0], values[..., 2]):
        raise ValueError(
            "expected red in the first and third channel and near infrared in the second, but the "
            "first and third differ"
        )
    return np.ascontiguousarray(values[..., :2].transpose(2, 0, 1))


def classes(values: Array) -> Array:
    """Return the class of every pixel, uint8 ``(1, H, W)``, of an annotation."""
    labels = np.full(values.shape[:2], len(CLASSES), dtype=np.uint8)
    for colour, label in COLOURS.items():
        labels[(values == np.array(colour, dtype=np.uint8)).all(-1)] = label
    other = labels == len(CLASSES)
    if other.any():
        colour = tuple(values[other][0].tolist())
        raise ValueError(
            f"expected black, green and red alone, got {int(other.sum())} pixels of other colours, "
            f"{colour} among them"
        )
    return labels[None]


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: planes, labels, counts of both, and which images are for testing."""
    split = split_of(work.read("split"))
    size = usual_size([*work.files["images"], *work.files["labels"]])
    decoders = {"images": decoder(size, planes), "labels": decoder(size, classes)}
    groups, kept = work.decode_together(decoders, dict.fromkeys(decoders, size))
    arrays = work.stack(groups, kept)
    numbers = [int(work.files["images"][row].name.partition("_")[0]) for row in kept.tolist()]
    both = sorted(set(split["train"]) & set(split["test"]))
    if both:
        work.log(
            f"{'image' if len(both) == 1 else 'images'} {', '.join(map(str, both))} published for "
            "both training and testing: kept for testing only"
        )
    tested = np.isin(numbers, split["test"])
    work.log_usable("train", int((~tested).sum()), len({*split["train"]} - {*both}), "images")
    work.log_usable("test", int(tested.sum()), len({*split["test"]}), "images")
    return arrays | {
        **counts(arrays["images"], arrays["labels"]),
        "test": tested,
        "name": np.array([f"image {number}" for number in numbers]),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build)
