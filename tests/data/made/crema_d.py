"""Makes `crema-d` in the published layout, small: lists, recordings, and videos or frames."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from tests.data.made import media

LABELS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
ACTORS = 5
TESTED = 2
BOM = b"\xef\xbb\xbf"


def clips() -> list[tuple[str, str]]:
    """Each actor says one sentence in each way."""
    return [
        (f"{1001 + actor}_IOM_{label}_XX", label) for actor in range(ACTORS) for label in LABELS
    ]


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a clip's first frame."""
    return (8 * number, 255 - 8 * number, 40 + 5 * number)


def hertz(number: int) -> float:
    return 500 + 187.5 * number


def split() -> dict[str, list[int]]:
    """Numbers of clips: of every actor some are in the test list, as published."""
    tested = [number for number in range(len(clips())) if (number // 6 + number) % 6 < TESTED]
    return {"train": [n for n in range(len(clips())) if n not in tested], "test": tested}


def make(folder: Path, how: Literal["flv", "frames"] = "frames") -> Path:
    """Write it; the lists have a byte-order mark and no end of the last line."""
    every = clips()
    for number, (name, _) in enumerate(every):
        sound = folder / "AudioWAV" / f"{name}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        voice = media.tone(hertz(number), 0.5 + 0.125 * (number % 3))
        # Without a little noise, logarithms would say what rounding left.
        voice += 0.01 * np.random.default_rng(number).standard_normal(len(voice))
        sound.write_bytes(media.wav(voice))
        if how == "flv":
            frames = [colour(number), (0, 0, 0), (0, 0, 0)]
            media.video(folder / "VideoFlash" / f"{name}.flv", frames, "flv")
            continue
        place = folder / "Image-01-FPS" / name
        place.mkdir(parents=True)
        # Written in the wrong order: the first is the first by name.
        (place / "00030.jpg").write_bytes(media.jpeg((0, 0, 0)))
        (place / "00000.jpg").write_bytes(media.jpeg(colour(number)))
    for part, numbers in split().items():
        text = "\n".join(",".join(every[number]) for number in numbers)
        place = folder / "CREMAD" / f"{part}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(BOM + text.encode())
    return folder
