"""The prepared form of a data set: ``ROOT/NAME.npz``, plain arrays, and ``ROOT/NAME.json``.

The second says what the first was made of: how many files of each kind, a hash over them, what was
skipped and why. A cache counts only where both stand and agree. Arrays that are too large for
memory stand beside them, each as ``ROOT/NAME.KEY.npy``, and are read through memory maps.
``ROOT/NAME.rejected.txt`` lists what the latest preparation could not use, if there was any.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

MEGABYTE = 1_000_000

OF_THE_PAPER = ("casia-surf", "crema-d", "kinetics-sounds", "nyuv2")
"""Data sets of the paper's tables; how to get them stands on a page of its own."""


@dataclass(frozen=True)
class Bad:
    """A file, or a row of one, that could not be used.

    Attributes:
        group: Which kind of file it is, e.g. ``sound``.
        name: Its name; unique within the group.
        reason: What is wrong with it.
    """

    group: str
    name: str
    reason: str


@dataclass(frozen=True)
class Group:
    """Files of one kind that a cache was made of.

    Attributes:
        source: The folder or file in which they were found.
        files: How many there were, those that were skipped included.
        sha256: Over one line ``SHA256  NAME`` a file that was read, in order, as ``sha256sum``
            writes it.
    """

    source: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What a cache was made of.

    Attributes:
        name: Name of the data set.
        version: Of the preparation; another version makes other numbers of the same files.
        fingerprint: Of the names, sizes and times of the source files.
        groups: The source files, by kind.
        arrays: Type and shape of each array, e.g. ``uint8 5000x28x28``.
        bad: What was skipped.
        bytes: Size of the ``.npz``.
        sha256: Of the ``.npz``.
        large: Size of each file of a large array, by key.
        large_sha256: Of each such file; none where an older version wrote them.
    """

    name: str
    version: int
    fingerprint: str
    groups: dict[str, Group]
    arrays: dict[str, str]
    bad: tuple[Bad, ...]
    bytes: int
    sha256: str
    large: dict[str, int] = field(default_factory=dict)
    large_sha256: dict[str, str] = field(default_factory=dict)

    @property
    def whole_bytes(self) -> int:
        """Size of everything together."""
        return self.bytes + sum(self.large.values())

    @property
    def content(self) -> str:
        """Letters that follow from the source files' content, wherever they lay."""
        told = [(name, group.files, group.sha256) for name, group in self.groups.items()]
        key = repr((self.name, self.version, told))
        return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def paths(name: str, root: Path) -> tuple[Path, Path]:
    """Return where the arrays of a data set stand, and what they were made of."""
    return root / f"{name}.npz", root / f"{name}.json"


def large_path(name: str, key: str, root: Path) -> Path:
    """Return where a large array of a data set stands."""
    return root / f"{name}.{key}.npy"


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write a compressed ``.npz`` aside and put it in place whole; no pickle."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, array in arrays.items():
            # A fixed date, so that the same arrays are the same bytes.
            entry = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    aside.replace(path)


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of an ``.npz``.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        # Opened here: given a path, numpy leaves a file open whose end is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(f"{path} cannot be read ({error})") from error


def sha256(path: Path, progress: Progress = lambda what, done, total: None) -> str:
    """Return the hash of a file, as ``sha256sum`` prints it.

    Args:
        path: The file.
        progress: Is called with what is done, and how many megabytes of it, now and then.
    """
    found, total = hashlib.sha256(), path.stat().st_size // MEGABYTE
    with path.open("rb") as file:
        while piece := file.read(32 * MEGABYTE):
            found.update(piece)
            progress(f"checking {path.name} (MB)", file.tell() // MEGABYTE, total)
    return found.hexdigest()


def write_cache(
    name: str,
    root: Path,
    arrays: Mapping[str, Array],
    version: int,
    fingerprint: str,
    groups: Mapping[str, Group],
    bad: tuple[Bad, ...],
    progress: Progress = lambda what, done, total: None,
) -> Provenance:
    """Write a cache in place of an older one; memory maps become files of their own."""
    path, beside = paths(name, root)
    # Without it the arrays do not count, so a cache is never half old and half new.
    beside.unlink(missing_ok=True)
    large, hashes = {}, {}
    for key, array in arrays.items():
        if isinstance(array, np.memmap):
            array.flush()
            assert array.filename is not None
            place = Path(array.filename).replace(large_path(name, key, root))
            large[key] = place.stat().st_size
            hashes[key] = sha256(place, progress)
    write_arrays(path, {key: array for key, array in arrays.items() if key not in large})
    provenance = Provenance(
        name=name,
        version=version,
        fingerprint=fingerprint,
        groups=dict(groups),
        arrays={
            key: f"{array.dtype} {'x'.join(str(size) for size in array.shape)}"
            for key, array in arrays.items()
        },
        bad=bad,
        bytes=path.stat().st_size,
        sha256=sha256(path),
        large=large,
        large_sha256=hashes,
    )
    _write_whole(beside, (json.dumps(asdict(provenance), indent=1) + "\n").encode())
    return provenance


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and put it in place whole."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    aside.write_bytes(content)
    aside.replace(path)


def list_rejected(name: str, root: Path, bad: Sequence[Bad]) -> Path:
    """List all that is bad in a file, a line ``GROUP<TAB>NAME<TAB>REASON`` each.

    Where nothing is bad, the list of an earlier preparation goes.

    Returns:
        The path of the list.
    """
    path = root / f"{name}.rejected.txt"
    lines = ["\t".join(_one_line(text) for text in (b.group, b.name, b.reason)) for b in bad]
    # Names of files need not be Unicode; they are written as they are on the disk.
    content = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    if content:
        _write_whole(path, content)
    else:
        path.unlink(missing_ok=True)
    return path


def _one_line(text: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", text)


def read_provenance(name: str, root: Path) -> Provenance | None:
    """Return what the cache was made of; None where there is no whole cache."""
    path, beside = paths(name, root)
    try:
        values = json.loads(beside.read_text(encoding="utf-8"))
        values["groups"] = {key: Group(**group) for key, group in values["groups"].items()}
        values["bad"] = tuple(Bad(**one) for one in values["bad"])
        provenance = Provenance(**values)
        whole = path.stat().st_size == provenance.bytes and provenance.name == name
        for key, size in provenance.large.items():
            whole = whole and large_path(name, key, root).stat().st_size == size
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return provenance if whole else None


def altered(
    provenance: Provenance, root: Path, progress: Progress = lambda what, done, total: None
) -> tuple[Path, ...]:
    """Return the files of a cache that are no longer what was written, read from end to end.

    Those are passed over of which an older version did not keep a hash: `unhashed`.
    """
    name = provenance.name
    hashes = {large_path(name, key, root): told for key, told in provenance.large_sha256.items()}
    hashes[paths(name, root)[0]] = provenance.sha256
    return tuple(path for path, told in hashes.items() if sha256(path, progress) != told)


def unhashed(provenance: Provenance, root: Path) -> tuple[Path, ...]:
    """Return the files of large arrays that an older version wrote, without their hashes."""
    keys = [key for key in provenance.large if key not in provenance.large_sha256]
    return tuple(large_path(provenance.name, key, root) for key in keys)


def read_cache(
    name: str, root: str, version: int, flags: str = ""
) -> tuple[dict[str, Array], Provenance]:
    """Return a prepared data set.

    Args:
        name: Of the data set; its large arrays come as memory maps.
        root: The folder that holds the cache.
        version: Of the preparation that is understood.
        flags: What the command that prepares it needs besides source and root.

    Raises:
        FileNotFoundError: If it has not been prepared there; the command that does it is told.
        ValueError: If the cache is damaged, or of another version.
    """
    path, beside = paths(name, Path(root))
    command = f"dmrnet data prepare {name} --source DIR --root {root}{flags and ' '}{flags}"
    page = "papers-data" if name in OF_THE_PAPER else "public-data"
    where = f"docs/how-to/{page}.md says where to get what DIR holds"
    if not path.exists() and not beside.exists():
        raise FileNotFoundError(
            f"there is no prepared {name} in {root} ({path} is not there); prepare it with: "
            f"{command}  ({where})"
        )
    provenance = read_provenance(name, Path(root))
    if provenance is None:
        raise ValueError(f"{path} and {beside.name} are damaged or not of one kind; run: {command}")
    if provenance.version != version:
        raise ValueError(
            f"{path} was prepared by version {provenance.version}, but {version} is needed; run: "
            f"{command}"
        )
    try:
        arrays = read_arrays(path)
        for key in provenance.large:
            arrays[key] = np.load(large_path(name, key, Path(root)), mmap_mode="r")
        return arrays, provenance
    except ValueError as error:
        raise ValueError(f"{error}; run: {command}") from error


def skipped_note(provenance: Provenance, most: int = 5) -> tuple[str, ...]:
    """Return a sentence on what was skipped in preparing; none where nothing was."""
    bad = provenance.bad
    if not bad:
        return ()
    # The list of the latest preparation may be another one, so what the cache itself says is named.
    listed = f"{provenance.name}.json, beside the prepared data"
    return (f"skipped when prepared: {naming(bad, most, listed)}",)


def naming(bad: tuple[Bad, ...], most: int = 10, listed: object = "") -> str:
    """Name what is bad, with its reasons, and count it.

    Args:
        bad: What could not be used.
        most: So many of a group are named.
        listed: Where all of them are; it is told where not all are named here.

    >>> naming((Bad("sound", "1_a_2.wav", "is empty"),))
    '1 sound: 1_a_2.wav (is empty)'
    >>> naming((Bad("sound", "1.wav", "is empty"), Bad("sound", "2.wav", "is missing")), 1, "list")
    '2 sound: 1.wav (is empty) and 1 more; all are listed in list'
    """
    told, whole = [], True
    for group in dict.fromkeys(one.group for one in bad):
        mine = [one for one in bad if one.group == group]
        first = ", ".join(f"{one.name} ({one.reason})" for one in mine[:most])
        more = f" and {len(mine) - most} more" if len(mine) > most else ""
        told.append(f"{len(mine)} {group}: {first}{more}")
        whole = whole and not more
    if listed and not whole:
        told.append(f"all are listed in {listed}")
    # Names of files need not be Unicode, and what is told can be printed anywhere.
    return "; ".join(told).encode(errors="backslashreplace").decode()
