"""What a cache of prepared data was made of, and what could not be used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class SourceFiles:
    """Files of one kind that a cache was made of.

    Attributes:
        source: Folder or file in which they were found.
        files: Number of files, rejected ones included.
        sha256: Hash of the lines ``SHA256  NAME`` of the files that were read, in order, as
            ``sha256sum`` writes them.
    """

    source: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What a cache was made of.

    Attributes:
        name: Name of the data set.
        version: Version of the preparation; another one makes other arrays of the same files.
        fingerprint: Hash of the names, sizes and times of the source files.
        groups: Source files by kind.
        arrays: Type and shape of each array, e.g. ``uint8 5000x28x28``.
        bad: Files and rows that were skipped.
        bytes: Size of the ``.npz``.
        sha256: Hash of the ``.npz``.
        large: Size of the file of each large array, by key.
        large_sha256: Hash of each such file; empty where an older version wrote them.
    """

    name: str
    version: int
    fingerprint: str
    groups: dict[str, SourceFiles]
    arrays: dict[str, str]
    bad: tuple[Rejected, ...]
    bytes: int
    sha256: str
    large: dict[str, int] = field(default_factory=dict)
    large_sha256: dict[str, str] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """Size of the ``.npz`` and all large arrays."""
        return self.bytes + sum(self.large.values())

    @property
    def content(self) -> str:
        """Hash of the content of the source files, whatever folder they were in."""
        groups = [(name, group.files, group.sha256) for name, group in self.groups.items()]
        key = repr((self.name, self.version, groups))
        return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def write_rejected(name: str, root: Path, rejected: Sequence[Rejected]) -> Path:
    """Write ``ROOT/NAME.rejected.txt``, one line ``GROUP<TAB>NAME<TAB>REASON`` each.

    Return its path. If nothing is rejected, the file of an earlier preparation is removed.
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
