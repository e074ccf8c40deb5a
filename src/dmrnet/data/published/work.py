"""Work of a preparation: read and decode files, reject bad ones, log both.

Decoded files are kept on disk in parts, which a later call finds again after an interruption.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.bad_rows import file_fault
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import (
    ProgressCallback,
    Rejected,
    SourceFiles,
    read_arrays,
    summarise,
    write_arrays,
)
from dmrnet.data.published.sources import File, FilesByGroup, Lines, Parsed, common_path

Log = Callable[[str], None]
"""Called with one sentence."""

FILES_AT_ONCE = 256
"""Number of source files in a part; an interruption loses the part that is being decoded."""

Decoder = Callable[[bytes], Array]
"""Returns the array of one file, of one shape for all; raises ValueError if the file is bad."""


@dataclass(frozen=True)
class DecodedParts:
    """Decoded files of a group.

    Attributes:
        group: Kind of the files.
        paths: Paths of the parts, in order.
        rows: Positions in the group of the files that could be decoded, int64, ascending.
    """

    group: str
    paths: Sequence[Path]
    rows: Array

    def stack(self, rows: Array, target: Path) -> Array:
        """Return the arrays of some rows, as a memory map of `target`.

        Rows that could not be decoded are zeros. At least one of them was.

        Args:
            rows: Positions in the group, int64, ascending.
            target: File of the memory map.
        """
        wanted = np.isin(self.rows, rows)
        places = np.searchsorted(rows, self.rows[wanted])
        stacked: Array | None = None
        read = written = 0
        for path in self.paths:
            values = read_arrays(path)["values"]
            # A part without any decoded file has no values and no shape.
            chosen = values[wanted[read : read + len(values)]]
            read += len(values)
            if not len(chosen):
                continue
            if stacked is None:
                shape = (len(rows), *values.shape[1:])
                stacked = np.lib.format.open_memmap(target, "w+", dtype=values.dtype, shape=shape)
            stacked[places[written : written + len(chosen)]] = chosen
            written += len(chosen)
        assert stacked is not None
        assert written == len(places)
        return stacked


@dataclass
class Work:
    """One preparation in progress, with the arguments of `prepare`.

    Attributes:
        files: Source files by kind.
        folder: Folder for decoded files.
        rejected: Files and rows that could not be used so far.
        groups: Source files that were read so far.
        keep: Whether samples stay that lost some of their files, with those absent.
        strict: Whether nothing is written if a file is bad.
    """

    files: FilesByGroup
    folder: Path
    allow_pickle: bool
    log: Log
    progress: ProgressCallback
    rejected: list[Rejected] = field(default_factory=list)
    groups: dict[str, SourceFiles] = field(default_factory=dict)
    keep: bool = False
    strict: bool = False

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
        self.record(group, [checksum(content, file.name)])
        self.progress(group, 1, 1)
        return content

    def read_list(
        self, group: str, parse: Callable[[bytes, str], Lines[Parsed]]
    ) -> tuple[dict[int, Parsed], int]:
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
        """Decode a group onto the disk, except for parts that an earlier call has finished.

        `settings` is what the decoder depends on besides the files, as JSON can hold it.

        Raises:
            ValueError: If no file can be decoded.
        """
        files = self.files[group]
        paths, rows, checksums = [], [], []
        rejected: list[Rejected] = []
        self.progress(group, 0, len(files))
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            key = digest([group, settings, [file.stamp() for file in some]])
            paths.append(self.folder / f"{group}-{key}.npz")
            part = _part(paths[-1], some, decode)
            bad = part["bad"].tolist()
            rows += [start + row for row, file in enumerate(some) if file.name not in bad]
            checksums += part["sha256"].tolist()
            rejected += map(Rejected, [group] * len(bad), bad, part["reason"].tolist())
            self.progress(group, start + len(some), len(files))
        self.rejected += rejected
        if not rows:
            raise ValueError(
                f"{group}: none of {len(files)} files can be used: {summarise(self.rejected, 3)}"
            )
        self.record(group, checksums)
        return DecodedParts(group, paths, np.array(rows, dtype=np.int64))

    def decode_together(
        self, decoders: Mapping[str, Decoder], settings: Mapping[str, object] | None = None
    ) -> tuple[list[DecodedParts], Array]:
        """Decode groups of which the files at one position belong to one sample.

        Args:
            decoders: Decoder of each group.
            settings: What the decoder of a group depends on besides the files, where it does.

        Returns:
            The decoded groups, and the positions that could be decoded in all of them, int64,
            ascending: a sample with one bad file is left out whole, so that nothing shifts. With
            `keep` one good file is enough.
        """
        settings = settings or {}
        groups = [self.decode_parts(name, decoders[name], settings.get(name)) for name in decoders]
        common = np.union1d if self.keep else np.intersect1d
        return groups, reduce(common, [parts.rows for parts in groups])

    def stack(self, groups: Sequence[DecodedParts], rows: Array) -> dict[str, Array]:
        """Return some rows of each group as a memory map; raise ValueError if there is no row.

        Where files of a row are absent, ``present``, bool ``(n, groups)``, says so; its name begins
        as those of the groups, as in ``train.present``.
        """
        if not len(rows):
            names = ", ".join(parts.group for parts in groups)
            raise ValueError(f"no sample can be used: each lacks one of {names}")
        arrays: dict[str, Array] = {
            parts.group: parts.stack(rows, self.folder / f"{parts.group}.npy") for parts in groups
        }
        present = np.stack([np.isin(rows, parts.rows) for parts in groups], 1)
        if not present.all():
            start, dot, _ = groups[0].group.rpartition(".")
            arrays[f"{start}{dot}present"] = present
        return arrays

    def record(self, group: str, checksums: Sequence[str]) -> None:
        """Record what the files of a group were; `checksums` are lines of those that were read."""
        files = self.files[group]
        sha256 = hashlib.sha256("".join(checksums).encode(errors="surrogateescape")).hexdigest()
        self.groups[group] = SourceFiles(str(common_path(files)), len(files), sha256)


def digest(value: object) -> str:
    """Return a hash of a value that JSON can hold."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=12).hexdigest()


def checksum(content: bytes, name: str) -> str:
    """Return the line that ``sha256sum`` prints of a file."""
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def _part(path: Path, files: Sequence[File], decode: Decoder) -> dict[str, Array]:
    """Return some decoded files, read from the path where a whole part exists."""
    with suppress(ValueError):
        return read_arrays(path)
    values, bad, reasons, checksums = [], [], [], []
    for file in files:
        try:
            content = file.read()
            checksums.append(checksum(content, file.name))
            values.append(decode(content))
        except (ValueError, OSError) as error:
            reasons.append(file_fault(error))
            bad.append(file.name)
    texts = {"bad": bad, "reason": reasons, "sha256": checksums}
    part = {"values": np.stack(values) if values else np.zeros(0)}
    part |= {key: np.array(texts[key], dtype=np.str_) for key in texts}
    # It is read once and removed: small matters less than soon.
    write_arrays(path, part, level=1)
    return part
