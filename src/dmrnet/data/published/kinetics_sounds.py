"""Preparing `kinetics-sounds`: Kinetics-400 folders of videos, or frames and recordings of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup, first_picture, locate
from dmrnet.data.published.work import Work
from dmrnet.data.sets.published.audio_visual import frame, sound
from dmrnet.data.sets.published.kinetics_sounds import (
    CLASS_LISTS,
    EVERY,
    SECONDS,
    SHORTEST,
    SPLITS,
    VERSION,
)

FOLDERS = {
    "train": ("train_256", "train"),
    "val": ("val_256", "validate", "val"),
    "test": ("test_256", "test"),
}
"""Names of the folders of Kinetics-400 in its usual copies."""

ANNOTATIONS = {"train": ("train.csv",), "val": ("validate.csv", "val.csv"), "test": ("test.csv",)}
"""Lists of the videos that should exist; without them removed videos go unnoticed."""

FRAMES = {"train": ("train_img", "train"), "test": ("val_img", "test")}
"""Folders of frames and of recordings in the layout of the released code."""

VIDEOS = (".mp4", ".mkv", ".webm", ".avi")

_CLASSES = f"a class of Kinetics-Sounds ({EVERY[0]}, {EVERY[1]}, ...)"


def canonical(folder: str) -> str:
    """Return the name of a class as ``playing_bass_guitar``."""
    return folder.strip().lower().replace(" ", "_")


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the clips; sound and picture are paired by the stem of their names."""
    in_frames = _locate_optional(sources, ("visual/train_img/Image-01-FPS",))
    pairs = list(_frames(sources) if in_frames else _videos(sources))
    times = Counter(audio.name.rpartition("/")[2] for audio, _ in pairs)
    twice = [stem for stem, count in times.items() if count > 1]
    if twice:
        raise ValueError(
            f"kinetics-sounds: {len(twice)} clips are in two splits, {twice[0]} among them; "
            "name the folders that are meant"
        )
    return {"audio": [audio for audio, _ in pairs], "visual": [visual for _, visual in pairs]}


def _locate_optional(sources: Sequence[Path], names: Sequence[str]) -> Path | None:
    try:
        return locate(sources, names, names[0], "")
    except FileNotFoundError:
        return None


def _in_classes(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of the class, and the path, of all in the folders of classes that we use."""
    for class_folder in sorted(folder.iterdir()):
        name = canonical(class_folder.name)
        if class_folder.is_dir() and name in EVERY:
            yield from ((name, path) for path in sorted(class_folder.iterdir()))


def _videos(sources: Sequence[Path]) -> Iterator[tuple[File, File]]:
    """Yield each video twice: for its sound and its picture."""
    hint = "Kinetics-400 has folders train, val and test of folders of classes"
    train = locate(sources, FOLDERS["train"], "folder of train videos", hint)
    others = {split: _locate_optional(sources, FOLDERS[split]) for split in ("val", "test")}
    clips = {
        split: _clips(folder, _locate_optional(sources, ANNOTATIONS[split]))
        for split, folder in {"train": train, **others}.items()
    }
    _check_any(clips["train"], train, "train")
    if not _any(clips["test"]):
        # Copies seldom have the videos of Kinetics' own test set; then its val split is tested on.
        val = locate(sources, FOLDERS["val"], "folder of val videos", hint)
        _check_any(clips["val"], val, "val")
        clips |= {"val": {}, "test": clips["val"]}
    for split, paths in clips.items():
        for name, path in sorted(paths.items()):
            file = File(f"{split}/{name}", path)
            yield file, file


def _any(clips: Mapping[str, Path]) -> bool:
    """Return whether a video exists; a table may list missing ones."""
    return any(path.is_file() for path in clips.values())


def _check_any(clips: Mapping[str, Path], folder: Path, split: str) -> None:
    """Raise FileNotFoundError if a folder has no video, before hours are spent on another."""
    if not _any(clips):
        raise FileNotFoundError(
            f"found no video of {_CLASSES} in {folder}; videos are in folders of classes; flat "
            f"videos need {' or '.join(ANNOTATIONS[split])} next to them"
        )


def _clips(folder: Path | None, table: Path | None) -> dict[str, Path]:
    """Return the paths by ``class/stem`` of the videos in a folder and of those in a table.

    Videos are in folders of classes; those in the table may also be directly in the folder.
    """
    if folder is None or not folder.is_dir():
        return {}
    clips = {
        f"{name}/{path.stem}": path
        for name, path in _in_classes(folder)
        if path.suffix.lower() in VIDEOS
    }
    flat = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEOS}
    for name in sorted(() if table is None else _listed(table)):
        stem = name.rpartition("/")[2]
        clips.setdefault(name, flat.get(stem, folder / f"{name}.mp4"))
    return clips


def _listed(table: Path) -> Iterator[str]:
    """Yield ``class/stem`` of the clips in an annotation file of Kinetics."""
    text = File(table.name, table).read().decode("utf-8-sig")
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
    """Yield the recording and the first frame of each clip that has one of them."""
    hint = "the released code has audio/train and visual/train_img/Image-01-FPS, test and val_img"
    for split, (pictures, recordings) in FRAMES.items():
        visual = locate(sources, (f"visual/{pictures}/Image-01-FPS",), f"{split} frames", hint)
        audio = locate(sources, (f"audio/{recordings}",), f"{split} recordings", hint)
        folders = {f"{name}/{path.name}": path for name, path in _in_classes(visual)}
        sounds = {
            f"{name}/{path.stem}": path
            for name, path in _in_classes(audio)
            if path.suffix.lower() == ".wav"
        }
        if not folders.keys() & sounds.keys():
            raise FileNotFoundError(
                f"found no clip of {_CLASSES} with frames in {visual} and a recording in {audio}; "
                "both are in folders of classes"
            )
        for name in sorted({*folders, *sounds}):
            yield (
                File(f"{split}/{name}", sounds.get(name, audio / f"{name}.wav")),
                File(f"{split}/{name}", first_picture(folders.get(name, visual / name))),
            )


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: sounds and frames of all clips, classes, splits, names."""
    files = work.files["visual"]
    groups, kept = work.decode_together({"audio": sound(SECONDS), "visual": frame(SHORTEST)})
    # A clip that is too short has a sound that is.
    named = {one.name for one in work.rejected if one.reason.startswith("is short")}
    short = [row for row, file in enumerate(files) if file.name in named]
    for row, file in enumerate(files):
        if file.path.suffix == ".jpg" and file.path.is_file():
            frames = sum(1 for _ in file.path.parent.glob("*.jpg"))
            if frames < SHORTEST:
                work.reject("visual", file.name, f"is short: {frames} frames of one a second")
                short.append(row)
    kept = np.setdiff1d(kept, short)
    arrays = work.stack(groups, kept)
    names = [files[row].name.split("/") for row in kept.tolist()]
    label = np.array([EVERY.index(name) for _, name, _ in names], dtype=np.int64)
    split = np.array([SPLITS.index(part) for part, _, _ in names], dtype=np.int64)
    for number, part in enumerate(SPLITS):
        listed = sum(file.name.startswith(f"{part}/") for file in files)
        if listed:
            work.log(f"{part}: {int((split == number).sum())} usable of {listed} clips")
    for title, wanted in CLASS_LISTS.items():
        lacking = [name for name in wanted if not (label == EVERY.index(name)).any()]
        state = f"lacks {', '.join(lacking)}" if lacking else "is complete"
        work.log(f"the list of {title} classes {state}")
    return arrays | {
        "y": label,
        "split": split,
        "name": np.array(["/".join(name) for name in names]),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build, modalities=True)
