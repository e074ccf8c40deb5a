"""What a cache of prepared data was made of, as kept in ``ROOT/NAME.json``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from dmrnet.data.files.rejected import Rejected


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
