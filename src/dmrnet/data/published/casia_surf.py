"""Preparing `casia-surf`: three lists with four fields a line, and the pictures that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.decoding import opened_picture, resized
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup, Lines, locate, parse_lines
from dmrnet.data.published.work import Decoder, Work
from dmrnet.data.sets.published.casia_surf import MODALITIES, SIZE, STORED, VERSION, shared

LISTS = {"train": "train_list.txt", "val": "val_private_list.txt", "test": "test_private_list.txt"}
PUBLISHED = {"train": 29_266, "val": 9_608, "test": 57_710}

MODALITY = re.compile(r"(?:^|[/_.-])(color|rgb|depth|ir)(?=[/_.-])", re.IGNORECASE)
"""Folder, or part of a file's name, that names a modality."""


class ListedFace(NamedTuple):
    """One line of a list: paths of RGB, depth and infrared, as written, and a label, 0 or 1."""

    files: tuple[str, ...]
    label: int


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the lists, and the pictures that they name."""
    files: dict[str, list[File]] = {}
    hint = "CASIA-SURF is given out on request; the lists are in its folder"
    for split, name in LISTS.items():
        path = locate(sources, (name,), f"list of the {split} split", hint)
        files[f"{split}.list"] = [File(name, path)]
        rows = parse(File(name, path).read(), str(path)).rows.values()
        for column, modality in enumerate(MODALITIES):
            files[f"{split}.{modality}"] = [
                File(row.files[column], path.parent / row.files[column]) for row in rows
            ]
    return files


def parse(content: bytes, path: str) -> Lines[ListedFace]:
    """Parse a list; backslashes between folders make no difference.

    Raises:
        ValueError: If it is no text, has no good line, or names the modalities in another order.
    """
    lines = parse_lines(content, path, "<rgb> <depth> <ir> <label>", _parse_line)
    for number, row in lines.rows.items():
        for modality, file in zip(MODALITIES, row.files, strict=True):
            named = [word.lower().replace("color", "rgb") for word in MODALITY.findall(file)]
            if named and modality not in named:
                raise ValueError(
                    f"{path}, line {number}: expected RGB, depth and infrared in this order, got "
                    f"{file} as {modality}; put the fields in order"
                )
    return lines


def _parse_line(line: str) -> ListedFace:
    fields = line.replace("\\", "/").split()
    if len(fields) != len(MODALITIES) + 1:
        # Blanks separate fields, so a path cannot have one.
        raise ValueError(f"expected 4 fields with blanks between, got {len(fields)}")
    if fields[-1] not in ("0", "1"):
        raise ValueError(f"expected a label of 0 or 1, got {fields[-1]!r}")
    return ListedFace(tuple(fields[:-1]), int(fields[-1]))


def real_by_path(path: str) -> int:
    """Return 1 if a path says that a face is real, 0 if fake, -1 if neither.

    >>> real_by_path("Training/real_part/CLKJ_AS0137/real.rssdk/depth/31.jpg")
    1
    >>> real_by_path("Training/fake_part/CLKJ_AS0137/06_enm_b.rssdk/depth/31.jpg")
    0
    >>> real_by_path("0001.jpg")
    -1
    """
    parts = [part.lower() for part in PurePosixPath(path).parts]
    real = any(part in ("real", "real_part", "real.rssdk", "living") for part in parts)
    fake = any(part in ("fake", "fake_part", "spoof", "spoofing") for part in parts)
    return -1 if real == fake else int(real)


def attack_type(path: str) -> str:
    """Return the type of attack that a path names; empty if it names none.

    >>> attack_type("Training/fake_part/CLKJ_AS0137/06_enm_b.rssdk/depth/31.jpg")
    '06_enm_b'
    """
    names = [part[:-6] for part in PurePosixPath(path).parts if part.endswith(".rssdk")]
    return names[0] if names and real_by_path(path) == 0 else ""


def build(work: Work) -> dict[str, Array]:
    """Make the arrays of each split: pictures, labels, names, and what the paths say."""
    arrays: dict[str, Array] = {}
    for split in LISTS:
        rows, lines = work.read_list(f"{split}.list", parse)
        decode = picture_decoder(STORED if split == "train" else SIZE)
        groups, kept = work.decode_together({f"{split}.{one}": decode for one in MODALITIES})
        arrays |= work.stack(groups, kept)
        listed = list(rows.values())
        faces = [listed[row] for row in kept.tolist()]
        paths = [face.files[0] for face in faces]
        arrays |= {
            f"{split}.label": np.array([face.label for face in faces], dtype=np.int64),
            f"{split}.hint": np.array([real_by_path(path) for path in paths], dtype=np.int8),
            f"{split}.type": np.array([attack_type(path) for path in paths], dtype=np.str_),
            f"{split}.name": np.array(paths, dtype=np.str_),
        }
        note = f", {int(arrays[f'{split}.label'].sum())} with label 1"
        work.log_usable(split, len(faces), lines, "lines", PUBLISHED[split], note)
    for sentence in shared({split: arrays[f"{split}.name"].tolist() for split in LISTS}):
        work.log(sentence)
    return arrays


def picture_decoder(size: int) -> Decoder:
    """Return the decoder of a picture, as uint8 ``(3, size, size)``."""

    def decode(content: bytes) -> Array:
        with opened_picture(content) as picture:
            return resized(picture, size, size)

    return decode


PREPARATION = Preparation(version=VERSION, find=find, build=build, modalities=True)
