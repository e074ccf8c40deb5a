"""Files that a crash or a full disk leaves whole, and JSON lines; imports nothing of this package.

A file is written under a temporary name in its folder and renamed once it is on the disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

PARTIAL = ".part"
"""Suffix of the names of files that are being written."""


def check_outputs(
    *paths: Path, overwrite: bool = False, sources: Iterable[str | Path] = ()
) -> None:
    """Refuse to replace files, before anything is computed; every writer of new files calls this.

    Args:
        paths: Files to write.
        overwrite: Whether existing ones may be replaced.
        sources: Files that are read; these are never replaced.

    Raises:
        FileExistsError: If a file exists.
        IsADirectoryError: If a folder is in its place.
        ValueError: If a file is one that is read.
    """
    read = [source for source in map(Path, sources) if source.exists()]
    for path in paths:
        check_folder(path.parent)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name a file")
        if path.exists() and any(path.samefile(source) for source in read):
            raise ValueError(f"{path} is the file that is read; name another to write to")
        if os.path.lexists(path) and not overwrite:
            raise FileExistsError(
                f"{path} exists; name another, remove it, or replace it with overwrite "
                "(--overwrite)"
            )


def check_folder(path: Path) -> None:
    """Refuse what cannot become a folder of files.

    Raises:
        NotADirectoryError: If it, or a folder that it is in, is a file.
        FileNotFoundError: If it is a link to something that does not exist.
    """
    for folder in (path, *path.parents):
        if folder.is_dir():
            return
        if folder.is_symlink() and not folder.exists():
            target = folder.readlink()
            raise FileNotFoundError(
                f"{folder} is a link to {target}, which does not exist; make that folder, or name "
                "another"
            )
        if folder.exists():
            raise NotADirectoryError(f"{folder} is no folder; name another")


@contextmanager
def replacing(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each path; move the files there once the block has written them.

    No path is replaced before all files are on the disk, so an error or a full disk leaves all of
    them as they were. A crash between two renames can leave a new file next to an old one: store a
    fingerprint of one in the other where that matters.

    Args:
        paths: Files to write; their folders are made if need be.

    Raises:
        OSError: If a file cannot be written; it names the file, which a full disk does not.
    """
    partial = tuple(path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}") for path in paths)
    current = paths[0]
    try:
        for current in paths:
            current.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        for current, written in zip(paths, partial, strict=True):  # noqa: B007  the error names it
            with written.open("rb+") as stream:
                os.fsync(stream.fileno())
        for current, written in zip(paths, partial, strict=True):
            written.replace(current)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(current)) from error
    finally:
        for written in partial:
            # None of them exists after success; where the folder could not be made, none did.
            with suppress(OSError):
                written.unlink(missing_ok=True)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together; see `replacing`."""
    with replacing(*files) as partial:
        for path, data in zip(partial, files.values(), strict=True):
            path.write_bytes(data)


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays as the content of a compressed ``.npz`` file."""
    import numpy as np

    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def npy_bytes(array: Any) -> bytes:  # noqa: ANN401
    """Return an array as the content of an ``.npy`` file."""
    import numpy as np

    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    write_together({path: data})


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def remove_partial(folder: Path) -> None:
    """Remove the half-written files that a killed process left in a folder."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def json_lines(records: Iterable[Mapping[str, Any]]) -> str:
    r"""Return records as text, one JSON object a line.

    >>> json_lines([{"epoch": 0}, {"epoch": 1}])
    '{"epoch": 0}\n{"epoch": 1}\n'
    """
    return "".join(json.dumps(record) + "\n" for record in records)


def append_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Append records to a file; a crash may leave part of a line at its end."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json_lines(records))


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a file of one JSON object a line; empty lines are skipped.

    Yields:
        ``FILE:LINE``, for messages, and the object.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is no JSON object.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield f"{path}:{number}", _json_object(line, f"{path}:{number}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of one JSON object.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    return _json_object(path.read_bytes(), str(path))


def complete_lines(path: Path) -> list[str]:
    """Return the lines of a text file without a last one that was cut short; none if missing."""
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text, got something else; restore the file") from error
    return [line for line in lines if line.endswith("\n")]


def _json_object(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        start = data[:60].decode(errors="replace").rstrip()
        raise ValueError(
            f"{where}: expected a JSON object, got {start!r} ({error}); restore the file"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: expected a JSON object, got {type(value).__name__}; restore the file"
        )
    return value
