"""Preparing `crema-d`: two lists, recordings, and videos or frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.cache import Array
from dmrnet.data.published.prepare import Preparation, Work
from dmrnet.data.published.sources import File, Found, locate
from dmrnet.data.sets.audio_visual import frame, sound
from dmrnet.data.sets.crema_d import CLASSES, SECONDS, VERSION

LISTS = {"train": "train.csv", "test": "test.csv"}
PUBLISHED = {"train": 6_698, "test": 744}

Clip = tuple[str, str]
"""Its name and its label."""


def find(sources: Sequence[Path]) -> Found:
    """Find the lists, the recordings and the videos or frames.

    Raises:
        FileNotFoundError: If one of them is not there.
        ValueError: If a list is damaged, or a clip is in both.
    """
    hint = "the lists are in the public repositories OGM-GE and DMRNet, folder data/CREMAD"
    found: dict[str, list[File]] = {}
    names: list[str] = []
    for split, name in LISTS.items():
        path = locate(sources, (f"CREMAD/{name}", name), f"list of the {split} split", hint)
        found[f"{split}.list"] = [File(name, path)]
        names += [clip for clip, _ in parse(path.read_bytes(), name)[0]]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(
            f"crema-d: {len(twice)} clips are listed twice, {twice[0]} among them; a clip that is "
            "in train and test makes its score worthless, so mend the lists"
        )
    where = "CREMA-D is a public repository (CheyneyComputerScience/CREMA-D, by Git LFS)"
    recordings = locate(sources, ("AudioWAV",), "folder of recordings", where)
    videos = locate(sources, ("VideoFlash", "Image-01-FPS"), "folder of videos or frames", where)
    found["audio"] = [File(name, recordings / f"{name}.wav") for name in names]
    found["visual"] = [File(name, _visual(videos, name)) for name in names]
    return found


def _visual(folder: Path, name: str) -> Path:
    """Return the video of a clip, or its first frame by name."""
    if folder.name == "VideoFlash":
        return folder / f"{name}.flv"
    frames = sorted((folder / name).glob("*.jpg"))
    return frames[0] if frames else folder / name / "00000.jpg"


def parse(content: bytes, name: str) -> tuple[list[Clip], list[tuple[int, str]]]:
    r"""Return the clips of a list, and which lines are none and why.

    Args:
        content: The file; a byte-order mark and a last line without its end are as good as none.
        name: Of the file, for messages.

    Raises:
        ValueError: If it is no text, or has no clip.

    >>> parse(b"\xef\xbb\xbf1088_IOM_NEU_XX,NEU", "train.csv")
    ([('1088_IOM_NEU_XX', 'NEU')], [])
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in UTF-8 ({error})") from error
    clips: list[Clip] = []
    bad = []
    for number, line in enumerate(lines, 1):
        fields = [field.strip() for field in line.split(",")]
        if not any(fields):
            continue
        if len(fields) != 2 or not fields[0]:
            bad.append((number, f"expected '<clip>,<label>', got {line[:40]!r}"))
        elif fields[1] not in CLASSES:
            bad.append((number, f"expected one of {', '.join(CLASSES)}, got {fields[1]!r}"))
        else:
            clips.append((fields[0], fields[1]))
    if not clips:
        raise ValueError(f"{name}: expected lines '<clip>,<label>', found none")
    return clips, bad


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: sounds and frames of all clips, labels, names, and which are for testing."""
    listed: list[Clip] = []
    tested: list[bool] = []
    lines = {}
    for split, name in LISTS.items():
        clips, bad = parse(work.read(f"{split}.list"), name)
        for number, reason in bad:
            work.reject(f"{split}.list", f"line {number}", reason)
        lines[split] = len(clips) + len(bad)
        listed += clips
        tested += [split == "test"] * len(clips)
    audio = work.decode_parts("audio", sound(SECONDS))
    visual = work.decode_parts("visual", frame())
    # A clip that lacks one of the two is left out whole, so that nothing shifts.
    kept = np.intersect1d(audio.rows, visual.rows)
    if not len(kept):
        raise ValueError("crema-d: no clip has both sound and picture")
    label = np.array([CLASSES.index(text) for _, text in listed], dtype=np.int64)
    test = np.array(tested)
    for split, number in lines.items():
        usable = int((test[kept] == (split == "test")).sum())
        work.tell(f"{split}: {usable} usable of {number} lines ({PUBLISHED[split]} are published)")
        if not usable:
            raise ValueError(f"crema-d: no clip of {LISTS[split]} has both sound and picture")
    return {
        "audio": work.stack(audio, kept),
        "visual": work.stack(visual, kept),
        "y": label[kept],
        "test": test[kept],
        "name": np.array([name for name, _ in listed])[kept],
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build)
