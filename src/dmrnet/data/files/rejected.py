"""Files, and rows of files, that a preparation could not use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmrnet.storage import write_bytes


@dataclass(frozen=True)
class Rejected:
    """A file, or a row of one, that could not be used.

    Attributes:
        group: Kind of the file, e.g. ``sound``.
        name: Name of the file or row; unique within the group.
        reason: What is wrong with it.
    """

    group: str
    name: str
    reason: str


def write_rejected(name: str, root: Path, rejected: Sequence[Rejected]) -> Path:
    """Write ``ROOT/NAME.rejected.txt``, one line ``GROUP<TAB>NAME<TAB>REASON`` each.

    If nothing is rejected, the file of an earlier preparation is removed.

    Returns:
        The path of the file.
    """
    path = root / f"{name}.rejected.txt"
    if not rejected:
        path.unlink(missing_ok=True)
        return path
    lines = [
        "\t".join(re.sub(r"[\t\r\n]+", " ", text) for text in (one.group, one.name, one.reason))
        for one in rejected
    ]
    # A file name need not be Unicode; surrogateescape restores its bytes.
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
    return path


def summarise(rejected: Sequence[Rejected], most: int = 10, full_list: object = "") -> str:
    """Return how many were rejected of each group, and the first of them with their reasons.

    Args:
        rejected: Files and rows.
        most: Largest number of them to name in a group.
        full_list: Where all are listed; mentioned if the summary does not name all.

    >>> summarise([Rejected("sound", "1_a_2.wav", "is empty")])
    '1 sound: 1_a_2.wav (is empty)'
    >>> two = [Rejected("sound", "1.wav", "is empty"), Rejected("sound", "2.wav", "is missing")]
    >>> summarise(two, 1, "list")
    '2 sound: 1.wav (is empty) and 1 more; all are listed in list'
    """
    groups: dict[str, list[Rejected]] = {}
    for one in rejected:
        groups.setdefault(one.group, []).append(one)
    parts = []
    for group, members in groups.items():
        named = ", ".join(f"{one.name} ({one.reason})" for one in members[:most])
        more = f" and {len(members) - most} more" if len(members) > most else ""
        parts.append(f"{len(members)} {group}: {named}{more}")
    if full_list and any(len(members) > most for members in groups.values()):
        parts.append(f"all are listed in {full_list}")
    # A file name need not be Unicode, but the text must be printable anywhere.
    return "; ".join(parts).encode(errors="backslashreplace").decode()
