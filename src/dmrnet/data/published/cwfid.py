"""Preparing `cwfid`: photographs and annotations as PNG, and the list that parts them."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from dmrnet.data.files.cache import Array
from dmrnet.data.published.prepare import Preparation, Work
from dmrnet.data.published.sources import File, Found, locate
from dmrnet.data.sets.cwfid import CLASSES, VERSION, counts

SPLIT = "train_test_split.yaml"
COLOURS = {(0, 0, 0): 0, (0, 255, 0): 1, (255, 0, 0): 2}
"""Of the annotations: black is soil, green crop, red weed."""


def find(sources: Sequence[Path]) -> Found:
    """Find the list, and the pictures and annotations that it names.

    Raises:
        FileNotFoundError: If there is no list.
        ValueError: If it cannot be read.
    """
    hint = "it is in the published repository cwfid/dataset, beside images and annotations"
    path = locate(sources, (SPLIT,), SPLIT, hint)
    numbers = sorted(set().union(*split_of(path.read_bytes()).values()))

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
        ValueError: If one of the two lists is not there or empty.
    """
    text = re.sub("#.*", "", content.decode("utf-8-sig", errors="replace"))
    parts = re.split(r"^\s*(train|test)\s*:", text, flags=re.MULTILINE)
    found = {
        name: [int(number) for number in re.findall(r"\d+", numbers)]
        for name, numbers in zip(parts[1::2], parts[2::2], strict=True)
    }
    lacking = [name for name in ("train", "test") if not found.get(name)]
    if lacking:
        raise ValueError(
            f"{SPLIT}: expected lists of numbers under train and test, found none under "
            f"{' and '.join(lacking)}"
        )
    return found


def usual_size(files: Sequence[File]) -> tuple[int, int]:
    """Return the height and width that most pictures say they have; 0 and 0 where none does."""
    sizes: Counter[tuple[int, int]] = Counter()
    for file in files:
        # Whatever is wrong with a picture is said when it is decoded.
        with suppress(Exception), Image.open(file.path) as opened:
            sizes[opened.height, opened.width] += 1
    return sizes.most_common(1)[0][0] if sizes else (0, 0)


def decoder(size: tuple[int, int], of: Callable[[Array], Array]) -> Callable[[bytes], Array]:
    """Return what decodes a PNG of a size as RGB uint8 ``(H, W, 3)`` and makes an array of that."""

    def decode(content: bytes) -> Array:
        try:
            with Image.open(io.BytesIO(content)) as opened:
                high, wide = opened.height, opened.width
                # Pixels are read only where they are as many as they should be.
                values = np.asarray(opened.convert("RGB")) if (high, wide) == size else None
        # Pillow raises many kinds of error on a damaged file.
        except Exception as error:
            raise ValueError(f"is no whole picture ({error})") from error
        if values is None:
            raise ValueError(f"is {high} x {wide}, where most are {size[0]} x {size[1]}")
        return of(values)

    return decode


def planes(values: Array) -> Array:
    """Return red and near infrared, uint8 ``(2, H, W)``, of a picture as it is published.

    Raises:
        ValueError: If the first and the third channel, both of which hold red, differ.
    """
    if not np.array_equal(values[..., 0], values[..., 2]):
        raise ValueError(
            "expected red in the first and third channel and near infrared in the second, but the "
            "first and third differ"
        )
    return np.ascontiguousarray(values[..., :2].transpose(2, 0, 1))


def classes(values: Array) -> Array:
    """Return the class of every pixel, uint8 ``(1, H, W)``, of an annotation.

    Raises:
        ValueError: If a colour is that of no class.
    """
    found = np.full(values.shape[:2], len(CLASSES), dtype=np.uint8)
    for colour, label in COLOURS.items():
        found[(values == np.array(colour, dtype=np.uint8)).all(-1)] = label
    wrong = found == len(CLASSES)
    if wrong.any():
        colour = tuple(values[wrong][0].tolist())
        raise ValueError(
            f"expected black, green and red alone, got {int(wrong.sum())} pixels of other colours, "
            f"{colour} among them"
        )
    return found[None]


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: planes, labels, counts of both, and which images are for testing."""
    split = split_of(work.read("split"))
    size = usual_size([*work.files["images"], *work.files["labels"]])
    decoders = {"images": decoder(size, planes), "labels": decoder(size, classes)}
    parts = {group: work.decode_parts(group, decode, size) for group, decode in decoders.items()}
    good = sorted(set.intersection(*(set(part.rows.tolist()) for part in parts.values())))
    if not good:
        raise ValueError("cwfid: no image is usable together with its annotation")
    kept = np.array(good, dtype=np.int64)
    arrays = {group: work.stack(part, kept) for group, part in parts.items()}
    numbers = [int(work.files["images"][row].name.partition("_")[0]) for row in good]
    both = sorted(set(split["train"]) & set(split["test"]))
    if both:
        work.tell(
            f"{'image' if len(both) == 1 else 'images'} {', '.join(map(str, both))} published for "
            "both training and testing: kept for testing only"
        )
    tested = np.isin(numbers, split["test"])
    for name, mine in (("train", ~tested), ("test", tested)):
        wanted = len(set(split[name]) - (set(both) if name == "train" else set()))
        work.tell(f"{name}: {int(mine.sum())} usable of {wanted} images")
        if not mine.any():
            raise ValueError(f"cwfid: no image of {name} is usable")
    return arrays | {
        **counts(arrays["images"], arrays["labels"]),
        "test": tested,
        "name": np.array([f"image {number}" for number in numbers]),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build)
