"""Preparing `casia-surf`: three lists with four fields a line, and the pictures that they name."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from dmrnet.data.files.cache import Array
from dmrnet.data.published.prepare import Preparation, Work
from dmrnet.data.published.sources import File, Found, locate
from dmrnet.data.sets.casia_surf import MODALITIES, SIZE, SPLITS, STORED, VERSION, shared

LISTS = {"train": "train_list.txt", "val": "val_private_list.txt", "test": "test_private_list.txt"}
PUBLISHED = {"train": 29_266, "val": 9_608, "test": 57_710}

MODALITY = re.compile(r"(?:^|[/_.-])(color|rgb|depth|ir)(?=[/_.-])", re.IGNORECASE)
"""A folder or part of a file's name that says which modality it is."""

SPELLED = {"color": "rgb"}


@dataclass(frozen=True)
class Row:
    """One line of a list.

    Attributes:
        number: Of the line, from 1.
        files: Paths of RGB, depth and infrared, as written.
        label: 0 or 1.
    """

    number: int
    files: tuple[str, ...]
    label: int


def find(sources: Sequence[Path]) -> Found:
    """Find the lists, and the pictures that they name.

    Raises:
        FileNotFoundError: If a list is not there.
        ValueError: If a list names no picture, or its fields stand in another order.
    """
    found: dict[str, list[File]] = {}
    hint = "CASIA-SURF is given out on request; the lists stand in its folder"
    for split, name in LISTS.items():
        path = locate(sources, (name,), f"list of the {split} split", hint)
        found[f"{split}.list"] = [File(name, path)]
        rows, _ = parse(path.read_bytes(), name)
        for place, modality in enumerate(MODALITIES):
            found[f"{split}.{modality}"] = [
                File(row.files[place], path.parent / row.files[place]) for row in rows
            ]
    return found


def parse(content: bytes, name: str) -> tuple[list[Row], list[tuple[int, str]]]:
    """Return the rows of a list, and which lines are none and why.

    Args:
        content: The file; a byte-order mark, carriage returns, a last line without its end and
            backslashes between folders are as good as none.
        name: Of the file, for messages.

    Raises:
        ValueError: If it is no text, has no row, or names the modalities in another order.
    """
    try:
        lines = content.decode("utf-8-sig").replace("\\", "/").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in UTF-8 ({error})") from error
    rows, bad = [], []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != len(MODALITIES) + 1:
            # Blanks part fields, so that a path cannot hold one.
            bad.append((number, f"expected 4 fields with blanks between, got {len(fields)}"))
        elif fields[-1] not in ("0", "1"):
            bad.append((number, f"expected a label of 0 or 1, got {fields[-1]!r}"))
        else:
            files = tuple(fields[:-1])
            _check_order(files, name, number)
            rows.append(Row(number, files, int(fields[-1])))
    if not rows:
        first = f" (line {bad[0][0]}: {bad[0][1]})" if bad else ""
        raise ValueError(f"{name}: expected lines '<rgb> <depth> <ir> <label>', found none{first}")
    return rows, bad


def _check_order(files: tuple[str, ...], name: str, number: int) -> None:
    for modality, file in zip(MODALITIES, files, strict=True):
        named = [SPELLED.get(word.lower(), word.lower()) for word in MODALITY.findall(file)]
        if named and modality not in named:
            raise ValueError(
                f"{name}, line {number}: expected RGB, depth and infrared in this order, but where "
                f"{modality} should stand there is {file}; put the fields in order"
            )


def truth(path: str) -> int:
    """Return 1 where a path says that a face is real, 0 where it says fake, -1 where neither.

    >>> truth("Training/real_part/CLKJ_AS0137/real.rssdk/depth/31.jpg")
    1
    >>> truth("Training/fake_part/CLKJ_AS0137/06_enm_b.rssdk/depth/31.jpg"), truth("0001.jpg")
    (0, -1)
    """
    parts = [part.lower() for part in PurePosixPath(path).parts]
    real = any(part in ("real", "real_part", "real.rssdk", "living") for part in parts)
    fake = any(part in ("fake", "fake_part", "spoof", "spoofing") for part in parts)
    return -1 if real == fake else int(real)


def attack_type(path: str) -> str:
    """Return the type of attack that a path tells; empty where it tells none.

    >>> attack_type("Training/fake_part/CLKJ_AS0137/06_enm_b.rssdk/depth/31.jpg")
    '06_enm_b'
    """
    names = [part[:-6] for part in PurePosixPath(path).parts if part.endswith(".rssdk")]
    return names[0] if names and truth(path) == 0 else ""


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: pictures of each split and modality, labels, names, what paths tell."""
    arrays: dict[str, Array] = {}
    for split, name in LISTS.items():
        rows, bad = parse(work.read(f"{split}.list"), name)
        for number, reason in bad:
            work.reject(f"{split}.list", f"line {number}", reason)
        decode = picture(STORED if split == "train" else SIZE)
        parts = {one: work.decode_parts(f"{split}.{one}", decode) for one in MODALITIES}
        # A sample of which one picture is bad is left out whole, so that nothing shifts.
        good = sorted(set.intersection(*(set(part.rows.tolist()) for part in parts.values())))
        if not good:
            raise ValueError(f"{name}: no sample has all of {', '.join(MODALITIES)}")
        kept = np.array(good, dtype=np.int64)
        arrays |= {f"{split}.{one}": work.stack(part, kept) for one, part in parts.items()}
        chosen = [rows[place] for place in good]
        first = [row.files[0] for row in chosen]
        arrays |= {
            f"{split}.label": np.array([row.label for row in chosen], dtype=np.int64),
            f"{split}.hint": np.array([truth(path) for path in first], dtype=np.int8),
            f"{split}.type": np.array([attack_type(path) for path in first], dtype=np.str_),
            f"{split}.name": np.array(first, dtype=np.str_),
        }
        ones = int(arrays[f"{split}.label"].sum())
        work.tell(
            f"{split}: {len(good)} usable of {len(rows) + len(bad)} lines ({PUBLISHED[split]} are "
            f"published), {ones} with label 1"
        )
    for told in shared({split: arrays[f"{split}.name"].tolist() for split in LISTS}):
        work.tell(told)
    return arrays


def picture(size: int) -> Callable[[bytes], Array]:
    """Return what decodes a picture as uint8 ``(3, size, size)``."""

    def decode(content: bytes) -> Array:
        try:
            with Image.open(io.BytesIO(content)) as opened:
                small = opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        # Pillow raises many kinds of error on a damaged file.
        except Exception as error:
            raise ValueError(f"is no whole picture ({error})") from error
        return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))

    return decode


PREPARATION = Preparation(version=VERSION, find=find, build=build)
assert set(LISTS) == set(SPLITS)
