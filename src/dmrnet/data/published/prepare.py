"""Preparing a data set: its published files are checked and decoded once, into a cache.

A data set that needs it has a `Preparation`: `find` says which files there are, `build` makes
arrays of them through a `Work`, which reads, decodes, remembers what is done and collects what is
bad. Nothing is ever left out silently, and nothing shifts: values and names are kept together.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal

import numpy as np

from dmrnet.data.files.cache import (
    Array,
    Bad,
    Group,
    Progress,
    altered,
    list_rejected,
    naming,
    paths,
    read_arrays,
    read_provenance,
    unhashed,
    write_arrays,
    write_cache,
)
from dmrnet.data.published.sources import File, Found, place_of
from dmrnet.hints import nearest

PREPARATIONS: dict[str, str] = {
    "casia-surf": "dmrnet.data.published.casia_surf:PREPARATION",
    "crema-d": "dmrnet.data.published.crema_d:PREPARATION",
    "cwfid": "dmrnet.data.published.cwfid:PREPARATION",
    "digits": "dmrnet.data.published.digits:PREPARATION",
    "kinetics-sounds": "dmrnet.data.published.kinetics_sounds:PREPARATION",
    "nyuv2": "dmrnet.data.published.nyuv2:PREPARATION",
    "watch": "dmrnet.data.published.watch:PREPARATION",
}
"""Data sets that are prepared before use, and where their `Preparation` is."""

FILES_AT_ONCE = 256
"""So many files are decoded between two times that the work is saved."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Preparation:
    """How a data set is prepared.

    Attributes:
        version: Raised whenever the same files would give other arrays.
        find: Finds the files in the sources; raises FileNotFoundError where a kind is not there.
        build: Makes the arrays.
    """

    version: int
    find: Callable[[Sequence[Path]], Found]
    build: Callable[[Work], dict[str, Array]]


@dataclass(frozen=True)
class Decoded:
    """Files that could be decoded, in order.

    Attributes:
        values: One array a file, stacked.
        names: Of those files.
    """

    values: Array
    names: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """Files that could be decoded, on disk: too many to be held in memory.

    Attributes:
        group: Which files.
        paths: Of what is decoded, some files each.
        rows: Places, among the files of the group, of those that could be decoded, rising.
    """

    group: str
    paths: tuple[Path, ...]
    rows: Array


@dataclass
class Work:
    """One preparation under way.

    Attributes:
        files: What was found.
        parts: Folder for what is decoded so far.
        allow_pickle: Whether a pickled source may be opened.
        tell: Is called with plain sentences on what was found.
        progress: Is called now and then.
        bad: What could not be used so far.
        groups: What was read so far.
    """

    files: Found
    parts: Path
    allow_pickle: bool
    tell: Tell
    progress: Progress
    bad: list[Bad] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)

    def reject(self, group: str, name: str, reason: str) -> None:
        """Note that something cannot be used."""
        self.bad.append(Bad(group, name, reason))

    def read(self, group: str) -> bytes:
        """Return the one file of a group.

        Raises:
            ValueError: If it cannot be read at all.
        """
        (file,) = self.files[group]
        self.progress(group, 0, 1)
        try:
            content = file.read()
        except (OSError, ValueError) as error:
            raise ValueError(f"{group}: {file.path}: {error}") from error
        self._note(group, [f"{hashlib.sha256(content).hexdigest()}  {file.name}\n"])
        self.progress(group, 1, 1)
        return content

    def decode(self, group: str, decode: Callable[[bytes], Array]) -> Decoded:
        """Decode every file of a group, into memory.

        What was decoded by an earlier, interrupted preparation is taken over, as long as the files
        have not changed since.

        Args:
            group: Which files.
            decode: Returns the array of one file, of one shape for all; raises ValueError where
                the file is not as it should be.

        Raises:
            ValueError: If no file at all could be decoded.
        """
        parts = [read_arrays(path) for path in self.decode_parts(group, decode).paths]
        values = [part["values"] for part in parts if len(part["names"])]
        names = tuple(name for part in parts for name in part["names"].tolist())
        return Decoded(np.concatenate(values), names)

    def decode_parts(
        self, group: str, decode: Callable[[bytes], Array], how: object = None
    ) -> Parts:
        """Decode every file of a group as `decode` does, onto the disk; `stack` takes rows of it.

        Args:
            group: Which files.
            decode: Makes an array of one file.
            how: What decoding depends on besides the files, as JSON has it: what an earlier,
                interrupted preparation decoded otherwise is not taken over.

        Raises:
            ValueError: If no file at all could be decoded.
        """
        files, done = self.files[group], 0
        paths, lines, good = [], [], []
        self.progress(group, 0, len(files))
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            stamp = _digest([group, how, [file.stamp() for file in some]])
            paths.append(self.parts / f"{group}-{stamp}.npz")
            part = self._part(paths[-1], some, decode)
            bad = set(part["bad"].tolist())
            good += [start + place for place, file in enumerate(some) if file.name not in bad]
            lines += part["sha256"].tolist()
            for name, reason in zip(part["bad"].tolist(), part["reason"].tolist(), strict=True):
                self.reject(group, name, reason)
            done += len(some)
            self.progress(group, done, len(files))
        if not good:
            raise ValueError(
                f"{group}: none of {len(files)} files can be used: {naming(tuple(self.bad), 3)}"
            )
        self._note(group, lines)
        return Parts(group, tuple(paths), np.array(good, dtype=np.int64))

    def stack(self, parts: Parts, rows: Array) -> Array:
        """Return what was decoded of some files as one array on the disk, in their order.

        Args:
            parts: What was decoded.
            rows: int64, rising: places among the files of the group, all of them decoded.

        Returns:
            A memory map, which `write_cache` keeps as a file of its own.
        """
        wanted = np.isin(parts.rows, rows)
        path = self.parts / f"{parts.group}.npy"
        stacked: Array | None = None
        read = written = 0
        for part in parts.paths:
            values = read_arrays(part)["values"]
            # A part of which no file could be decoded has no values and no shape.
            chosen = values[wanted[read : read + len(values)]]
            read += len(values)
            if not len(chosen):
                continue
            if stacked is None:
                shape = (len(rows), *values.shape[1:])
                stacked = np.lib.format.open_memmap(path, "w+", dtype=values.dtype, shape=shape)
            stacked[written : written + len(chosen)] = chosen
            written += len(chosen)
        assert stacked is not None
        assert written == len(rows)
        return stacked

    def _part(
        self, path: Path, files: Sequence[File], decode: Callable[[bytes], Array]
    ) -> dict[str, Array]:
        """Return some files decoded, from an earlier preparation where that went so far."""
        if path.exists():
            try:
                return read_arrays(path)
            except ValueError:
                path.unlink()
        values, names, bad, reasons, lines = [], [], [], [], []
        for file in files:
            try:
                content = file.read()
                lines.append(f"{hashlib.sha256(content).hexdigest()}  {file.name}\n")
                values.append(decode(content))
                names.append(file.name)
            except (ValueError, OSError) as error:
                bad.append(file.name)
                reasons.append(_reason(error))
        part = {
            "values": np.stack(values) if values else np.zeros(0),
            "names": np.array(names, dtype=np.str_),
            "bad": np.array(bad, dtype=np.str_),
            "reason": np.array(reasons, dtype=np.str_),
            "sha256": np.array(lines, dtype=np.str_),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, part)
        return part

    def _note(self, group: str, lines: Sequence[str]) -> None:
        files = self.files[group]
        digest = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
        self.groups[group] = Group(str(place_of(files)), len(files), digest)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=12).hexdigest()


def preparation(name: str) -> Preparation:
    """Return how a data set is prepared.

    Raises:
        ValueError: If there is no such data set, or it needs no preparing.
    """
    from dmrnet.data import DATASETS

    if name in PREPARATIONS:
        module, _, attribute = PREPARATIONS[name].partition(":")
        found: Preparation = getattr(import_module(module), attribute)
        return found
    if name in DATASETS:
        raise ValueError(f"{name} needs no preparing; prepared are {', '.join(PREPARATIONS)}")
    raise ValueError(f"unknown data set {name!r}; {nearest(name, PREPARATIONS)}")


def prepare(
    name: str,
    sources: Sequence[str | Path],
    root: str | Path,
    *,
    bad: Literal["skip", "refuse"] = "refuse",
    allow_pickle: bool = False,
    tell: Tell = lambda text: None,
    progress: Progress = lambda group, done, total: None,
) -> Path:
    """Check and decode a data set's published files into the cache that its settings read.

    Interrupted, it goes on from where it was when called again. A cache that is already made of
    these very files is read from end to end, and left as it is where it is still what was written.

    Args:
        name: Of the data set.
        sources: Folders or files that hold what was published, in any order.
        root: Folder for the cache; it is made if it is not there.
        bad: What to do where a file is missing or damaged: `refuse` (name and count them, make
            nothing) or `skip` (name and count them, and go on without them). Either way all of
            them are listed in ``ROOT/NAME.rejected.txt``.
        allow_pickle: Open a pickled source, for data sets that are published as one.
        tell: Is called with each sentence on what was found.
        progress: Is called with (kind of file, how many are done, how many there are), and with
            megabytes in their place where large arrays are checked.

    Returns:
        The path of the cache.

    Raises:
        FileNotFoundError: If a source is not there, or holds no such data set.
        ValueError: If files are bad and `bad` is `refuse`, the sources are ambiguous, or a source
            may not be opened.
    """
    how = preparation(name)
    if bad not in ("skip", "refuse"):
        raise ValueError(f"expected bad files to be 'skip' or 'refuse', got {bad!r}")
    if not sources:
        raise ValueError(f"{name}: expected at least one source, a folder or a file")
    for source in sources:
        if not Path(source).exists():
            raise FileNotFoundError(f"there is no source {source}")
    files = how.find([Path(source) for source in sources])
    stamps = {group: [file.stamp() for file in some] for group, some in files.items()}
    fingerprint = _digest([name, how.version, stamps])
    root = Path(root)
    path, beside = paths(name, root)
    before = read_provenance(name, root)
    if (
        before is not None
        and (before.version, before.fingerprint) == (how.version, fingerprint)
        and (bad == "skip" or not before.bad)
    ):
        damaged = altered(before, root, progress)
        for one in damaged:
            tell(f"{one} is no longer what was written, so it is made anew")
        if not damaged:
            # A whole cache may stand where nothing can be written.
            with suppress(OSError):
                list_rejected(name, root, before.bad)
            unknown = unhashed(before, root)
            if unknown:
                tell(
                    f"{', '.join(one.name for one in unknown)}: prepared by an older version "
                    f"and not checked; remove {beside} to have all made anew"
                )
            tell(f"{path} is already made of these files; nothing to do")
            return path
    for group, some in files.items():
        tell(f"{group}: {len(some)} {'file' if len(some) == 1 else 'files'} in {place_of(some)}")
    root.mkdir(parents=True, exist_ok=True)
    parts = root / f".{name}-{how.version}-parts"
    work = Work(files, parts, allow_pickle, tell, progress)
    try:
        arrays = how.build(work)
    except ValueError as error:
        if not work.bad:
            raise
        listed = list_rejected(name, root, work.bad)
        raise ValueError(
            f"{error}; what was found missing or damaged is listed in {listed}"
        ) from error
    found = tuple(work.bad)
    listed = list_rejected(name, root, found)
    if found and bad == "refuse":
        raise ValueError(
            f"{name}: {len(found)} of the source are missing or damaged, so nothing was made: "
            f"{naming(found, listed=listed)}. Mend them, or go on without them with --bad skip"
        )
    if found:
        tell(f"skipped {naming(found, listed=listed)}")
    made = write_cache(name, root, arrays, how.version, fingerprint, work.groups, found, progress)
    shutil.rmtree(parts, ignore_errors=True)
    tell(f"written: {path} ({made.whole_bytes / 1e6:.1f} MB), and what it was made of beside it")
    return path
