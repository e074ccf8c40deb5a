"""Published files: finding them in folders, reading them, and parsing lists of samples."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from dmrnet.untrusted import check_inflation, check_inside, check_regular

DEPTH = 2
"""Number of levels of folders below a source that are searched."""

LFS_POINTER = b"version https://git-lfs.github.com/spec"

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class File:
    """A published file, on disk or inside a zip file such as a wheel.

    Attributes:
        name: Name in messages; unique within its group.
        path: Path of the file, or of the zip file.
        member: Name inside the zip file; empty for a file on disk.
        roots: Folders that the file must be in, by `folders_of`; empty for anywhere.
    """

    name: str
    path: Path
    member: str = ""
    roots: tuple[Path, ...] = ()

    def check(self) -> None:
        """Refuse what is no regular file, or is outside the sources.

        Raises:
            ValueError: If it is.
            FileNotFoundError: If there is no such file.
        """
        if self.roots:
            check_inside(self.path, self.roots)
        check_regular(self.path)

    def read(self) -> bytes:
        """Return the content.

        Raises:
            ValueError: If the file is empty, a Git LFS pointer, no regular file, outside the
                sources, or inflates without measure.
        """
        self.check()
        if self.member:
            try:
                with zipfile.ZipFile(self.path) as archive:
                    check_inflation(archive, self.path.stat().st_size)
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
    return Path(os.path.commonpath([file.path.parent.absolute() for file in files]))


def locate(sources: Sequence[Path], patterns: Sequence[str], what: str, hint: str) -> Path:
    """Return the one file or folder in the sources that matches a pattern.

    Each source itself is searched, what it holds, and two levels of folders below.

    Args:
        sources: Files or folders.
        patterns: Names, or paths with ``*``; the first one with a match is used.
        what: Description of what is searched for.
        hint: Advice on where to get it.

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
        "Name further folders as source (--source, once for each)"
    )


def unpacked(path: Path, ending: str) -> File:
    """Return the file at a path, or the one whose name ends so inside the zip file at that path.

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


def first_picture(folder: Path) -> Path:
    """Return the path of the first JPEG in a folder by name; ``00000.jpg`` if there is none."""
    return min(folder.glob("*.jpg"), default=folder / "00000.jpg")


@dataclass(frozen=True)
class Lines(Generic[Parsed]):
    """Parsed lines of a list, and the reasons against the others, by line number from 1."""

    rows: dict[int, Parsed]
    bad: dict[int, str]


def parse_lines(
    content: bytes, path: str, form: str, parse: Callable[[str], Parsed]
) -> Lines[Parsed]:
    r"""Parse a list; a byte-order mark, carriage returns and empty lines make no difference.

    Args:
        content: Content of the file.
        path: Path of the file, for messages.
        form: Form of a line, for messages.
        parse: Returns what a line says; raises ValueError if it is bad.

    Raises:
        ValueError: If the content is no text in UTF-8, or no line is good.

    >>> parse_lines(b"\xef\xbb\xbf7\r\n\nx", "a.txt", "<number>", int).rows
    {1: 7}
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got something else ({error})") from error
    rows: dict[int, Parsed] = {}
    bad: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip(" \t,"):
            try:
                rows[number] = parse(line)
            except ValueError as error:
                bad[number] = str(error)
    if not rows:
        first = next((f" (line {number}: {reason})" for number, reason in bad.items()), "")
        raise ValueError(f"{path}: expected lines '{form}', found none{first}")
    return Lines(rows, bad)
