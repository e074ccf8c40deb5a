"""Preparing `crema-d`: two lists, recordings, and videos or frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import (
    File,
    FilesByGroup,
    Lines,
    first_picture,
    locate,
    parse_lines,
)
from dmrnet.data.published.work import Work
from dmrnet.data.sets.published.audio_visual import frame, sound
from dmrnet.data.sets.published.crema_d import CLASSES, SECONDS, VERSION

LISTS = {"train": "train.csv", "test": "test.csv"}
PUBLISHED = {"train": 6_698, "test": 744}


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the lists, the recordings and the videos or frames; no clip may be listed twice."""
    hint = "the lists are in the public repositories OGM-GE and DMRNet, folder data/CREMAD"
    files: dict[str, list[File]] = {}
    names: list[str] = []
    for split, name in LISTS.items():
        path = locate(sources, (f"CREMAD/{name}", name), f"list of the {split} split", hint)
        files[f"{split}.list"] = [File(name, path)]
        names += [clip for clip, _ in parse(File(name, path).read(), str(path)).rows.values()]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(
            f"crema-d: {len(twice)} clips are listed twice, {twice[0]} among them; a clip that is "
            "in train and test makes its score worthless, so mend the lists"
        )
    where = "CREMA-D is a public repository (CheyneyComputerScience/CREMA-D, by Git LFS)"
    recordings = locate(sources, ("AudioWAV",), "folder of recordings", where)
    videos = locate(sources, ("VideoFlash", "Image-01-FPS"), "folder of videos or frames", where)
    files["audio"] = [File(name, recordings / f"{name}.wav") for name in names]
    in_frames = videos.name != "VideoFlash"
    files["visual"] = [
        File(name, first_picture(videos / name) if in_frames else videos / f"{name}.flv")
        for name in names
    ]
    return files


def parse(content: bytes, path: str) -> Lines[tuple[str, str]]:
    """Parse a list of clips and their labels; see `parse_lines`."""
    return parse_lines(content, path, "<clip>,<label>", _parse_line)


def _parse_line(line: str) -> tuple[str, str]:
    clip, *labels = (field.strip() for field in line.split(","))
    if len(labels) != 1 or not clip:
        raise ValueError(f"expected '<clip>,<label>', got {line[:40]!r}")
    if labels[0] not in CLASSES:
        raise ValueError(f"expected one of {', '.join(CLASSES)}, got {labels[0]!r}")
    return clip, labels[0]


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: sounds and frames of all clips, labels, names, and which are for testing."""
    clips: list[tuple[str, str]] = []
    tested: list[bool] = []
    lines = {}
    for split in LISTS:
        rows, lines[split] = work.read_list(f"{split}.list", parse)
        clips += rows.values()
        tested += [split == "test"] * len(rows)
    groups, kept = work.decode_together({"audio": sound(SECONDS), "visual": frame()})
    arrays = work.stack(groups, kept)
    test = np.array(tested)[kept]
    for split, listed in lines.items():
        usable = int((test == (split == "test")).sum())
        work.log_usable(split, usable, listed, "lines", PUBLISHED[split])
    return arrays | {
        "y": np.array([CLASSES.index(label) for _, label in clips], dtype=np.int64)[kept],
        "test": test,
        "name": np.array([name for name, _ in clips])[kept],
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build, modalities=True)
