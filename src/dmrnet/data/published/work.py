"""What a preparation reads and decodes, what it rejects, and what it says about both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from dmrnet.data.files.cache import (
    Array,
    ProgressCallback,
    Rejected,
    SourceFiles,
    read_arrays,
    summarise,
)
from dmrnet.data.published.lists import Lines
from dmrnet.data.published.parts import DecodedParts, Decoder, checksum, decode_parts
from dmrnet.data.published.sources import FilesByGroup, common_path

Log = Callable[[str], None]
"""Called with one sentence."""

Row = TypeVar("Row")


@dataclass
class Work:
    """One preparation in progress.

    Attributes:
        files: Source files by kind.
        folder: Folder for decoded files.
        allow_pickle: Whether a pickled source may be opened.
        log: Called with sentences on what was found.
        progress: Called now and then.
        rejected: Files and rows that could not be used so far.
        groups: Source files that were read so far.
    """

    files: FilesByGroup
    folder: Path
    allow_pickle: bool
    log: Log
    progress: ProgressCallback
    rejected: list[Rejected] = field(default_factory=list)
    groups: dict[str, SourceFiles] = field(default_factory=dict)

    def reject(self, group: str, name: str, reason: str) -> None:
        """Record that a file or row cannot be used."""
        self.rejected.append(Rejected(group, name, reason))

    def log_usable(
        self, split: str, usable: int, listed: int, unit: str, published: int = 0, note: str = ""
    ) -> None:
        """Log how many samples of a split can be used; raise ValueError if there is none."""
        of_all = f" ({published} are published)" if published else ""
        self.log(f"{split}: {usable} usable of {listed} {unit}{of_all}{note}")
        if not usable:
            raise ValueError(f"{split}: none of {listed} {unit} can be used")

    def read(self, group: str) -> bytes:
        """Return the content of the one file of a group; raise ValueError if it is bad."""
        (file,) = self.files[group]
        self.progress(group, 0, 1)
        try:
            content = file.read()
        except (OSError, ValueError) as error:
            raise ValueError(f"{group}: {file.path}: {error}") from error
        self._record(group, [checksum(content, file.name)])
        self.progress(group, 1, 1)
        return content

    def read_list(
        self, group: str, parse: Callable[[bytes, str], Lines[Row]]
    ) -> tuple[dict[int, Row], int]:
        """Return the rows of a list by line number, and its number of lines; reject bad lines.

        `parse` is given the content of the group's one file, and its path for messages.
        """
        lines = parse(self.read(group), str(self.files[group][0].path))
        for number, reason in lines.bad.items():
            self.reject(group, f"line {number}", reason)
        return lines.rows, len(lines.rows) + len(lines.bad)

    def decode(self, group: str, decode: Decoder) -> tuple[Array, list[str]]:
        """Return the stacked arrays, and the names, of the good files of a group."""
        parts = self.decode_parts(group, decode)
        values = [read_arrays(path)["values"] for path in parts.paths]
        names = [self.files[group][row].name for row in parts.rows.tolist()]
        return np.concatenate([some for some in values if len(some)]), names

    def decode_parts(self, group: str, decode: Decoder, settings: object = None) -> DecodedParts:
        """Decode a group onto the disk; see the function `decode_parts`.

        Raises:
            ValueError: If no file can be decoded.
        """
        files = self.files[group]
        parts = decode_parts(group, files, decode, self.folder, settings, self.progress)
        self.rejected += parts.rejected
        if not len(parts.rows):
            raise ValueError(
                f"{group}: none of {len(files)} files can be used: {summarise(self.rejected, 3)}"
            )
        self._record(group, parts.checksums)
        return parts

    def decode_together(
        self, decoders: Mapping[str, Decoder], settings: Mapping[str, object] | None = None
    ) -> tuple[list[DecodedParts], Array]:
        """Decode groups of which the files at one position belong to one sample.

        Args:
            decoders: Decoder of each group.
            settings: What the decoder of a group depends on besides the files, where it does.

        Returns:
            The decoded groups, and the positions that could be decoded in all of them, int64,
            ascending: a sample with one bad file is left out whole, so that nothing shifts.
        """
        groups = [
            self.decode_parts(group, decode, (settings or {}).get(group))
            for group, decode in decoders.items()
        ]
        rows = groups[0].rows
        for parts in groups[1:]:
            rows = np.intersect1d(rows, parts.rows)
        return groups, rows

    def stack(self, groups: Sequence[DecodedParts], rows: Array) -> dict[str, Array]:
        """Return some rows of each group as a memory map; raise ValueError if there is no row."""
        if not len(rows):
            names = ", ".join(parts.group for parts in groups)
            raise ValueError(f"no sample can be used: each lacks one of {names}")
        return {
            parts.group: parts.stack(rows, self.folder / f"{parts.group}.npy") for parts in groups
        }

    def _record(self, group: str, checksums: Sequence[str]) -> None:
        files = self.files[group]
        sha256 = hashlib.sha256("".join(checksums).encode(errors="surrogateescape")).hexdigest()
        self.groups[group] = SourceFiles(str(common_path(files)), len(files), sha256)
