"""Decoded files on disk, in parts that a later call finds again after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmrnet.data.files.cache import Array, ProgressCallback, Rejected, read_arrays, write_arrays
from dmrnet.data.published.sources import File

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
        rows: Positions, among the files of the group, of those that could be decoded, int64,
            ascending.
        rejected: The other files, with reasons.
        checksums: Lines ``SHA256  NAME`` of the files that could be read.
    """

    group: str
    paths: tuple[Path, ...]
    rows: Array
    rejected: tuple[Rejected, ...]
    checksums: tuple[str, ...]

    def stack(self, rows: Array, target: Path) -> Array:
        """Return the arrays of some decoded rows, at least one, as a memory map of `target`."""
        wanted = np.isin(self.rows, rows)
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
            stacked[written : written + len(chosen)] = chosen
            written += len(chosen)
        assert stacked is not None
        assert written == len(rows)
        return stacked


def decode_parts(
    group: str,
    files: Sequence[File],
    decode: Decoder,
    folder: Path,
    settings: object,
    progress: ProgressCallback,
) -> DecodedParts:
    """Decode files onto the disk, except for parts that an earlier call has finished.

    Args:
        group: Kind of the files.
        files: Files to decode.
        decode: Decoder of one file.
        folder: Folder of the parts, which are named by hashes of their files and the settings.
        settings: What decoding depends on besides the files, as JSON can hold it.
        progress: Called after each part.
    """
    paths, rows, checksums = [], [], []
    rejected: list[Rejected] = []
    progress(group, 0, len(files))
    for start in range(0, len(files), FILES_AT_ONCE):
        some = files[start : start + FILES_AT_ONCE]
        key = digest([group, settings, [file.stamp() for file in some]])
        paths.append(folder / f"{group}-{key}.npz")
        part = _part(paths[-1], some, decode)
        bad = part["bad"].tolist()
        rows += [start + row for row, file in enumerate(some) if file.name not in bad]
        checksums += part["sha256"].tolist()
        rejected += map(Rejected, [group] * len(bad), bad, part["reason"].tolist())
        progress(group, start + len(some), len(files))
    decoded = np.array(rows, dtype=np.int64)
    return DecodedParts(group, tuple(paths), decoded, tuple(rejected), tuple(checksums))


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
            missing = isinstance(error, FileNotFoundError)
            reason = "is missing" if missing else getattr(error, "strerror", None)
            reasons.append(reason or str(error))
            bad.append(file.name)
    texts = {"bad": bad, "reason": reasons, "sha256": checksums}
    part = {"values": np.stack(values) if values else np.zeros(0)}
    part |= {key: np.array(texts[key], dtype=np.str_) for key in texts}
    write_arrays(path, part)
    return part
