"""Published files: finding them in folders, and reading them from disk or inside a wheel."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEEPEST = 2
"""Files are looked for in the source and so many levels of folders below it."""

LFS_POINTER = b"version https://git-lfs.github.com/spec"


@dataclass(frozen=True)
class File:
    """A published file, on disk or inside a zip file such as a wheel.

    Attributes:
        name: As it is told; unique within its group.
        path: Where it is.
        member: Its name inside `path`, if that is a zip file.
    """

    name: str
    path: Path
    member: str = ""

    def read(self) -> bytes:
        """Return what it holds.

        Raises:
            ValueError: If it is empty, or stands for a file that was not downloaded.
            OSError: If it cannot be read.
        """
        if self.member:
            try:
                with zipfile.ZipFile(self.path) as archive:
                    content = archive.read(self.member)
            except zipfile.BadZipFile as error:
                raise ValueError(f"{self.path} is damaged ({error})") from error
        else:
            content = self.path.read_bytes()
        if not content:
            raise ValueError("is empty")
        if content.startswith(LFS_POINTER):
            raise ValueError("is a Git LFS pointer, not the file: run git lfs pull")
        return content

    def stamp(self) -> list[object]:
        """Return what changes where the file does: name, size and time of change."""
        try:
            stat = self.path.stat()
        except OSError:
            return [self.name, self.member, None, None]
        return [self.name, self.member, stat.st_size, stat.st_mtime_ns]


Found = Mapping[str, Sequence[File]]
"""The files of a data set by kind, each kind in order."""


def place_of(files: Sequence[File]) -> Path:
    """Return the file itself, or the folder that holds all of several."""
    if len(files) == 1:
        return files[0].path
    return Path(os.path.commonpath([file.path.parent for file in files]))


def locate(sources: Sequence[Path], patterns: Sequence[str], what: str, hint: str) -> Path:
    """Return the one file or folder in the sources that has one of some names.

    Looked at are each source itself, what it holds, and two levels of folders below.

    Args:
        sources: Files or folders.
        patterns: Names, or paths with ``*``, the surest first; the first that finds something
            counts.
        what: What is looked for, in words.
        hint: Where it is to be had.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    for pattern in patterns:
        found: dict[Path, Path] = {}
        for source in sources:
            depths = ["*/" * depth for depth in range(DEEPEST + 1)] if source.is_dir() else []
            hits = [hit for depth in depths for hit in sorted(source.glob(depth + pattern))]
            if source.match(pattern):
                hits.insert(0, source)
            found |= {hit.resolve(): hit for hit in hits}
        if len(found) > 1:
            some = ", ".join(str(hit) for hit in found.values())
            raise ValueError(f"expected one place with {what}, found {some}; name the one meant")
        if found:
            return next(iter(found.values()))
    places = ", ".join(str(source) for source in sources)
    raise FileNotFoundError(
        f"found no {what} (looked for {' or '.join(patterns)}) in {places}; {hint}. A further "
        "place can be named with another --source"
    )


def inside(path: Path, ending: str) -> File:
    """Return a file that was located, looked up inside `path` where that is a zip file.

    Args:
        path: The file itself, or a zip file (a wheel).
        ending: How its name ends inside a zip file.

    Raises:
        ValueError: If the zip file is damaged or lacks it.
    """
    if path.suffix not in (".whl", ".zip"):
        return File(path.name, path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(ending)]
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path} is damaged ({error})") from error
    if len(members) != 1:
        raise ValueError(f"{path}: expected one {ending} in it, found {len(members)}")
    return File(Path(ending).name, path, members[0])
