"""Makes `casia-surf` in the layout that the released code of the paper reads, small."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = {"train": 12, "val": 8, "test": 10}
LISTS = {"train": "train_list.txt", "val": "val_private_list.txt", "test": "test_private_list.txt"}
MODALITIES = ("rgb", "depth", "ir")
BOM = b"\xef\xbb\xbf"


def colour(split: str, row: int, modality: str) -> np.ndarray:
    """The one colour of a picture: another one for each."""
    number = 40 * MODALITIES.index(modality) + 10 * list(COUNTS).index(split) + row
    grey = 3 * number % 251
    return np.array([grey, (grey + 60) % 256, (grey + 120) % 256] if modality == "rgb" else [grey])


def jpeg(split: str, row: int, modality: str, size: tuple[int, int] = (26, 21)) -> bytes:
    """A crop of a face is not square, and no two are of one size."""
    pixels = np.tile(colour(split, row, modality).astype(np.uint8), (size[0] + row, size[1], 1))
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def path(split: str, row: int, modality: str, live: bool) -> str:
    """As they are published: only paths of training tell what is real."""
    if split == "train":
        kind = "real_part" if live else "fake_part"
        what = "real" if live else ("02_e_b", "06_enm_b")[row // 2 % 2]
        folder = {"rgb": "color"}.get(modality, modality)
        return f"Training/{kind}/CLKJ_AS{row // 2:04}/{what}.rssdk/{folder}/{row}.jpg"
    name = {"rgb": "color"}.get(modality, modality)
    return f"{split.capitalize()}/{row // 4:04}/{row:06}-{name}.jpg"


def lines(split: str, live: int = 1) -> list[str]:
    """Every third sample is real."""
    return [
        " ".join(
            [
                *(path(split, row, name, row % 3 == 0) for name in MODALITIES),
                str(live if row % 3 == 0 else 1 - live),
            ]
        )
        for row in range(COUNTS[split])
    ]


def make(folder: Path, live: int = 1) -> Path:
    """Write pictures and lists: a byte-order mark in one, no end of the last line in another."""
    for split, count in COUNTS.items():
        for row in range(count):
            for name in MODALITIES:
                place = folder / path(split, row, name, row % 3 == 0)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(jpeg(split, row, name))
        text = "\n".join(lines(split, live))
        end = "" if split == "train" else "\r\n" if split == "val" else "\n"
        start = BOM if split == "train" else b""
        (folder / LISTS[split]).write_bytes(start + (text + end).encode())
    return folder
