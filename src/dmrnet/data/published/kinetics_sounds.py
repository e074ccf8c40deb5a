"""Preparing `kinetics-sounds`: Kinetics-400 folders of videos, or frames and recordings of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.cache import Array
from dmrnet.data.published.prepare import Preparation, Work
from dmrnet.data.published.sources import File, Found, locate
from dmrnet.data.sets.audio_visual import frame, sound
from dmrnet.data.sets.kinetics_sounds import CLASS_LISTS, EVERY, SECONDS, SHORTEST, SPLITS, VERSION

FOLDERS = {
    "train": ("train_256", "train"),
    "val": ("val_256", "validate", "val"),
    "test": ("test_256", "test"),
}
"""Folders of Kinetics-400, as it is spread."""

ANNOTATIONS = {"train": ("train.csv",), "val": ("validate.csv", "val.csv"), "test": ("test.csv",)}
"""What should be there; without them nobody knows which videos are dead."""

FRAMES = {"train": ("train_img", "train"), "test": ("val_img", "test")}
"""Folders of frames and of recordings, as the released code has them."""

VIDEOS = (".mp4", ".mkv", ".webm", ".avi")

_CLASSES = f"a class of Kinetics-Sounds ({EVERY[0]}, {EVERY[1]}, ...)"


def canonical(folder: str) -> str:
    """Return the name of a class as it is written here.

    >>> canonical("Playing bass guitar")
    'playing_bass_guitar'
    """
    return folder.strip().lower().replace(" ", "_")


def find(sources: Sequence[Path]) -> Found:
    """Find the clips; sound and picture of one are paired by the stem of their names.

    Raises:
        FileNotFoundError: If there is no training or no test clip.
        ValueError: If a clip is in two splits.
    """
    if _there(sources, ("visual/train_img/Image-01-FPS",)):
        pairs = list(_frames(sources))
    else:
        pairs = list(_videos(sources))
    times = Counter(audio.name.rpartition("/")[2] for audio, _ in pairs)
    twice = [stem for stem, count in times.items() if count > 1]
    if twice:
        raise ValueError(
            f"kinetics-sounds: {len(twice)} clips stand in two places, {twice[0]} among them; "
            "name the folder that is meant"
        )
    return {"audio": [audio for audio, _ in pairs], "visual": [visual for _, visual in pairs]}


def _there(sources: Sequence[Path], names: Sequence[str]) -> Path | None:
    try:
        return locate(sources, names, "", "")
    except FileNotFoundError:
        return None


def _classes(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give the folders of classes that some list has."""
    for place in sorted(folder.iterdir()):
        if place.is_dir() and canonical(place.name) in EVERY:
            yield canonical(place.name), place


def _videos(sources: Sequence[Path]) -> Iterator[tuple[File, File]]:
    """Give each video twice: its sound and its picture."""
    hint = "Kinetics-400 has folders train, val and test of folders of classes"
    train = locate(sources, FOLDERS["train"], "folder of train videos", hint)
    folders = {"train": train, **{name: _there(sources, FOLDERS[name]) for name in ("val", "test")}}
    parts = {
        split: _clips(folder, _there(sources, ANNOTATIONS[split]))
        for split, folder in folders.items()
    }
    _expect(parts["train"], train, "train")
    if not _any(parts["test"]):
        # The videos of Kinetics' own test set are seldom kept; what it calls val is tested on then.
        val = locate(sources, FOLDERS["val"], "folder of val videos", hint)
        _expect(parts["val"], val, "val")
        parts |= {"val": {}, "test": parts["val"]}
    for split, found in parts.items():
        for name, path in sorted(found.items()):
            file = File(f"{split}/{name}", path)
            yield file, file


def _any(clips: Mapping[str, Path]) -> bool:
    """Return whether a video is there; a table may list what is not."""
    return any(path.is_file() for path in clips.values())


def _expect(clips: Mapping[str, Path], folder: Path, split: str) -> None:
    """Look whether a folder has videos, before hours are spent on those of another.

    Raises:
        FileNotFoundError: If none is there.
    """
    if not _any(clips):
        raise FileNotFoundError(
            f"found no video of {_CLASSES} in {folder}; videos stand in folders of classes; flat "
            f"videos need {' or '.join(ANNOTATIONS[split])} beside them"
        )


def _clips(folder: Path | None, table: Path | None) -> dict[str, Path]:
    """Return ``class/stem`` and place of the videos of a folder, and of those that a table lists.

    They stand in folders of classes; those that a table lists may also stand beside one another.
    """
    if folder is None or not folder.is_dir():
        return {}
    found = {
        f"{name}/{path.stem}": path
        for name, place in _classes(folder)
        for path in sorted(place.iterdir())
        if path.suffix.lower() in VIDEOS
    }
    flat = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEOS}
    for listed in sorted(() if table is None else _listed(table)):
        stem = listed.rpartition("/")[2]
        found.setdefault(listed, flat.get(stem, folder / f"{listed}.mp4"))
    return found


def _listed(table: Path) -> Iterator[str]:
    """Give ``class/stem`` of the clips that an annotation file of Kinetics lists.

    Raises:
        ValueError: If it has other columns.
    """
    text = table.read_text(encoding="utf-8-sig")
    columns = ("label", "youtube_id", "time_start", "time_end")
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        try:
            label, video, start, end = (row[column] for column in columns)
            stem = f"{video}_{int(start):06d}_{int(end):06d}"
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{table}, line {number}: expected {', '.join(columns)}, got {row}"
            ) from error
        if canonical(label) in EVERY:
            yield f"{canonical(label)}/{stem}"


def _frames(sources: Sequence[Path]) -> Iterator[tuple[File, File]]:
    """Give the recording and the first frame of each clip; what lacks one of them is missing it."""
    hint = "the released code has audio/train and visual/train_img/Image-01-FPS, test and val_img"
    for split, (pictures, recordings) in FRAMES.items():
        seen = locate(sources, (f"visual/{pictures}/Image-01-FPS",), f"{split} frames", hint)
        heard = locate(sources, (f"audio/{recordings}",), f"{split} recordings", hint)
        folders = {
            f"{name}/{path.name}": path
            for name, place in _classes(seen)
            for path in sorted(place.iterdir())
        }
        sounds = {
            f"{name}/{path.stem}": path
            for name, place in _classes(heard)
            for path in sorted(place.iterdir())
            if path.suffix.lower() == ".wav"
        }
        if not folders.keys() & sounds.keys():
            raise FileNotFoundError(
                f"found no clip of {_CLASSES} with frames in {seen} and a recording in {heard}; "
                "both stand in folders of classes"
            )
        for name in sorted({*folders, *sounds}):
            folder = folders.get(name, seen / name)
            first = min(folder.glob("*.jpg"), default=folder / "00000.jpg")
            yield (
                File(f"{split}/{name}", sounds.get(name, heard / f"{name}.wav")),
                File(f"{split}/{name}", first),
            )


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: sounds and frames of all clips, classes, splits, names."""
    files = work.files["visual"]
    audio = work.decode_parts("audio", sound(SECONDS))
    visual = work.decode_parts("visual", frame(SHORTEST))
    short = set()
    for place, file in enumerate(files):
        if file.path.suffix == ".jpg" and file.path.is_file():
            frames = sum(1 for _ in file.path.parent.glob("*.jpg"))
            if frames < SHORTEST:
                work.reject("visual", file.name, f"is short: {frames} frames of one a second")
                short.add(place)
    # A clip that lacks one of the two is left out whole, so that nothing shifts.
    both = np.intersect1d(audio.rows, visual.rows)
    kept = np.array([row for row in both.tolist() if row not in short], dtype=np.int64)
    if not len(kept):
        raise ValueError("kinetics-sounds: no clip has both sound and picture")
    names = [files[row].name.split("/") for row in kept.tolist()]
    label = np.array([EVERY.index(name) for _, name, _ in names], dtype=np.int64)
    split = np.array([SPLITS.index(part) for part, _, _ in names], dtype=np.int64)
    for place, part in enumerate(SPLITS):
        listed = sum(file.name.startswith(f"{part}/") for file in files)
        if listed:
            work.tell(f"{part}: {int((split == place).sum())} usable of {listed} clips")
    for title, wanted in CLASS_LISTS.items():
        lacking = [name for name in wanted if not (label == EVERY.index(name)).any()]
        told = f"lacks {', '.join(lacking)}" if lacking else "is complete"
        work.tell(f"the list of {title} classes {told}")
    return {
        "audio": work.stack(audio, kept),
        "visual": work.stack(visual, kept),
        "y": label,
        "split": split,
        "name": np.array(["/".join(name) for name in names]),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build)
