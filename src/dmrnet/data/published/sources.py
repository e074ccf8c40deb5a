"""Published files: finding them in folders, and reading them from disk or out of a wheel."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEPTH = 2
"""Number of levels of folders below a source that are searched."""

LFS_POINTER = b"version https://git-lfs.github.com/spec"


@dataclass(frozen=True)
class File:
    """A published file, on disk or inside a zip file such as a wheel.

    Attributes:
        name: Name in messages; unique within its group.
        path: Path of the file, or of the zip file.
        member: Name inside the zip file; empty for a file on disk.
    """

    name: str
    path: Path
    member: str = ""

    def read(self) -> bytes:
        """Return the content.

        Raises:
            ValueError: If it is empty, or a Git LFS pointer to a file that was not downloaded.
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
        """Return what changes when the file does: name, size and modification time."""
        try:
            stat = self.path.stat()
        except OSError:
            return [self.name, self.member, None, None]
        return [self.name, self.member, stat.st_size, stat.st_mtime_ns]


FilesByGroup = Mapping[str, Sequence[File]]
"""Files of a data set by kind, each kind in order."""


def common_path(files: Sequence[File]) -> Path:
    """Return the path of a single file, or the folder that holds all of several."""
    if len(files) == 1:
        return files[0].path
    return Path(os.path.commonpath([file.path.parent for file in files]))


def locate(sources: Sequence[Path], patterns: Sequence[str], what: str, hint: str) -> Path:
    """Return the one file or folder in the sources that matches a pattern.

    Each source itself is searched, what it holds, and two levels of folders below.

    Args:
        sources: Files or folders.
        patterns: Names, or paths with ``*``, in order of preference: the first one with a match
            is used.
        what: Description of what is searched for.
        hint: Where to get it.

    Raises:
        FileNotFoundError: If nothing matches.
        ValueError: If several paths match.
    """
    for pattern in patterns:
        matches: dict[Path, Path] = {}
        for source in sources:
            if source.match(pattern):
                matches[source.resolve()] = source
            for depth in range(DEPTH + 1) if source.is_dir() else ():
                for path in sorted(source.glob("*/" * depth + pattern)):
                    matches[path.resolve()] = path
        if len(matches) > 1:
            paths = ", ".join(str(path) for path in matches.values())
            raise ValueError(f"expected one {what}, found {paths}; name the one meant")
        if matches:
            return next(iter(matches.values()))
    searched = ", ".join(str(source) for source in sources)
    raise FileNotFoundError(
        f"found no {what} (looked for {' or '.join(patterns)}) in {searched}; {hint}. "
        "Name further folders with more --source"
    )


def unpacked(path: Path, ending: str) -> File:
    """Return the file at a path, or inside the zip file (a wheel) at that path.

    Args:
        path: Path that `locate` returned.
        ending: End of the file's name inside a zip file.

    Raises:
        ValueError: If the zip file is damaged or lacks the file.
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
