"""Makes `kinetics-sounds`, small: Kinetics-400 folders of videos, or frames and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.data.made import media

from dmrnet.data.sets.published.kinetics_sounds import CLASS_LISTS

CLASSES = CLASS_LISTS["33"]
COUNTS = {"train": 2, "test": 1}


def clips() -> Iterator[tuple[str, str, str, int]]:
    """Give split, class, stem and number of each clip."""
    number = 0
    for split, count in COUNTS.items():
        for name in CLASSES:
            for _ in range(count):
                yield split, name, f"{number:03}abcDEF_-_{number:06}_{number + 10:06}", number
                number += 1


def colour(number: int) -> tuple[int, int, int]:
    return (2 * number + 10, 250 - 2 * number, 120)


def hertz(number: int) -> float:
    return 400 + 40 * number


@cache
def video(number: int) -> bytes:
    """Return a video of 3.5 seconds with sound; encoding it takes longer than writing it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        frames = [colour(number)] * 7
        media.video(path, frames, "mpeg4", media.tone(hertz(number), 3.5), per_second=2)
        return path.read_bytes()


def videos(folder: Path, some: slice = slice(None)) -> Path:
    """Write videos; names of classes have blanks."""
    for split, name, stem, number in list(clips())[some]:
        place = "train" if split == "train" else "val"
        path = folder / place / name.replace("_", " ") / f"{stem}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(number))
    return folder


def listed(folder: Path, some: slice = slice(None)) -> Path:
    """Write videos and the published lists of them, by which one that is missing is known."""
    rows = {"train": ["label,youtube_id,time_start,time_end,split,is_cc"]}
    rows["val"] = rows["train"][:]
    for split, name, stem, _ in list(clips())[some]:
        place = "train" if split == "train" else "val"
        video, start, end = stem[:11], int(stem[12:18]), int(stem[19:])
        rows[place].append(f"{name.replace('_', ' ')},{video},{start},{end},{place},0")
    videos(folder, some)
    for place, lines in rows.items():
        (folder / f"{place}.csv").write_text("\n".join(lines))
    return folder


def frames(folder: Path) -> Path:
    """Write frames, one a second, and recordings, as the released code has them."""
    for split, name, stem, number in clips():
        pictures = {"train": "train_img", "test": "val_img"}[split]
        place = folder / "visual" / pictures / "Image-01-FPS" / name / stem
        place.mkdir(parents=True)
        for index in (2, 1, 0):
            shade = colour(number) if index == 0 else (0, 0, 0)
            (place / f"{25 * index:05}.jpg").write_bytes(media.jpeg(shade))
        sound = folder / "audio" / split / name / f"{stem}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        sound.write_bytes(media.wav(media.tone(hertz(number), 0.25)))
    return folder
