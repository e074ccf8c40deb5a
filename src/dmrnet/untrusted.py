"""Limits on files that others made: regular ones, inside the data's folders, of bounded size.

Imports nothing of this package.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

MOST_BYTES = 4 * 2**30
"""Size to which a small compressed file may inflate; `VARIABLE` overrides it."""

MOST_TIMES = 100
"""A file may always inflate to this many times its size: large data are no bomb."""

VARIABLE = "DMRNET_MOST_BYTES"
"""Environment variable that replaces `MOST_BYTES`."""


def check_regular(path: Path) -> None:
    """Refuse what is no file of data: reading a pipe or a device need not end.

    Raises:
        FileNotFoundError: If there is nothing, or a link that leads nowhere.
        IsADirectoryError: If it is a folder.
        ValueError: If it is a pipe, a device or a socket.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path}: expected a file, got a folder")
    if not stat.S_ISREG(mode):
        kinds = {
            "a pipe": stat.S_ISFIFO,
            "a device": lambda m: stat.S_ISCHR(m) or stat.S_ISBLK(m),
            "a socket": stat.S_ISSOCK,
        }
        kind = next((name for name, test in kinds.items() if test(mode)), "something else")
        raise ValueError(f"{path}: expected a file, got {kind}; copy what it gives to a file")


def check_inside(path: Path, roots: Sequence[Path]) -> None:
    """Refuse a path that a data file names and that leads out of the folders of the data.

    Raises:
        ValueError: If it does, by ``..``, as an absolute path, or through a link.
    """
    real = path.resolve()
    if not any(real.is_relative_to(root) for root in roots):
        where = ", ".join(map(str, roots))
        raise ValueError(
            f"leads out of {where}, to {real}; name that folder as well if it is meant"
        )


def folders_of(sources: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of files and folders of data, without links, for `check_inside`."""
    real = (source.resolve() for source in sources)
    return tuple(dict.fromkeys(one if one.is_dir() else one.parent for one in real))


def check_inflation(archive: ZipFile, size: int) -> None:
    """Refuse an archive that would inflate without measure.

    Members are never read beyond the size that the archive states for them.

    Args:
        archive: The archive.
        size: Its size on the disk.

    Raises:
        ValueError: If it is small and its members together are larger than `MOST_BYTES`.
    """
    inflated = sum(info.file_size for info in archive.infolist())
    if inflated > most_bytes(size):
        raise ValueError(
            f"{size:,} bytes would inflate to {inflated:,}, more than {most_bytes(size):,}; if the "
            f"file can be trusted, set the environment variable {VARIABLE} to a larger number"
        )


def gunzip(content: bytes) -> bytes:
    """Return what is compressed by gzip.

    Raises:
        ValueError: If it is damaged, or would inflate without measure.
    """
    most = most_bytes(len(content))
    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as stream:
            inflated = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(inflated) > most:
        raise ValueError(
            f"{len(content):,} bytes would inflate to more than {most:,}; if the file can be "
            f"trusted, set the environment variable {VARIABLE} to a larger number"
        )
    return inflated


def most_bytes(size: int) -> int:
    """Return the size to which a compressed file of some bytes may inflate.

    Raises:
        ValueError: If the environment variable is no whole number.
    """
    text = os.environ.get(VARIABLE, str(MOST_BYTES))
    if not text.isdecimal():
        raise ValueError(f"{VARIABLE}: expected a whole number of bytes, got {text!r}")
    return max(int(text), MOST_TIMES * size)
