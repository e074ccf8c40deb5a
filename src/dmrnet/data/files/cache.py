"""A prepared data set on disk: ``ROOT/NAME.npz``, plain arrays, and ``ROOT/NAME.json``.

The second file says what the first was made of (`Provenance`); a cache is valid only where both
exist and agree. Arrays too large for memory are next to them as ``ROOT/NAME.KEY.npy`` and are read
through memory maps. ``ROOT/NAME.rejected.txt`` lists what the latest preparation could not use.
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

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.storage import check_folder, read_json, replacing, write_bytes, write_text
from dmrnet.text import shell
from dmrnet.untrusted import check_inflation

ProgressCallback = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

MEGABYTE = 1_000_000

PAGES = {
    "brats": "brats",
    **dict.fromkeys(("casia-surf", "crema-d", "kinetics-sounds", "nyuv2"), "papers-data"),
}
"""Page of the documentation that says how to get a data set; public-data of all others."""


@dataclass(frozen=True)
class Rejected:
    """A file or row that cannot be used: its kind, its name, unique within the kind, and why."""

    group: str
    name: str
    reason: str


@dataclass(frozen=True)
class SourceFiles:
    """Files of one kind that a cache was made of.

    Attributes:
        source: Folder or file in which they were found.
        files: Number of files, rejected ones included.
        sha256: Hash of the lines that ``sha256sum`` writes of the files that were read, in order.
    """

    source: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """Sources of a cache.

    Attributes:
        name: Name of the data set.
        version: Version of the preparation; another one makes other arrays of the same files.
        fingerprint: Hash of the names, sizes and times of the source files.
        groups: Source files by kind.
        arrays: Type and shape of each array, e.g. ``uint8 5000x28x28``.
        bad: Files and rows that were skipped.
        bytes: Size of the ``.npz``.
        sha256: Hash of the ``.npz``.
        large: Size of the file of each large array, by key.
        large_sha256: Hash of each such file; empty where an older version wrote them.
        absent: Whether samples of bad files were kept, with these modalities absent.
    """

    name: str
    version: int
    fingerprint: str
    groups: dict[str, SourceFiles]
    arrays: dict[str, str]
    bad: tuple[Rejected, ...]
    bytes: int
    sha256: str
    large: dict[str, int] = field(default_factory=dict)
    large_sha256: dict[str, str] = field(default_factory=dict)
    absent: bool = False

    @property
    def total_bytes(self) -> int:
        """Size of the ``.npz`` and all large arrays."""
        return self.bytes + sum(self.large.values())

    @property
    def content(self) -> str:
        """Hash of the content of the source files, whatever folder they were in."""
        groups = [(name, group.files, group.sha256) for name, group in self.groups.items()]
        key = repr((self.name, self.version, groups))
        return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def cache_paths(name: str, root: Path) -> tuple[Path, Path]:
    """Return the path of the arrays of a data set, and that of their provenance."""
    return root / f"{name}.npz", root / f"{name}.json"


def large_path(name: str, key: str, root: Path) -> Path:
    """Return the path of a large array of a data set."""
    return root / f"{name}.{key}.npy"


def write_arrays(path: Path, arrays: Mapping[str, Array], level: int | None = None) -> None:
    """Write an ``.npz`` without pickle, whole or not at all.

    Unlike numpy.savez, it takes any name, "file" included, and gives the same bytes every time: an
    entry that is opened by its name has no time. `level` is zlib's, 6 if None.
    """
    with (
        replacing(path) as (partial,),
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive,
    ):
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of an ``.npz``; raise ValueError if it cannot be read."""
    try:
        # Given a path, numpy leaves a file open whose end is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            check_inflation(archive.zip, path.stat().st_size)
            return {key: archive[key] for key in archive.files}
    # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged file.
    except Exception as error:
        raise ValueError(f"{path} cannot be read ({error})") from error


def sha256(path: Path, progress: ProgressCallback = no_progress) -> str:
    """Return the hash of a file as ``sha256sum`` prints it; `progress` is in megabytes."""
    digest, total = hashlib.sha256(), path.stat().st_size // MEGABYTE
    with path.open("rb") as file:
        while block := file.read(32 * MEGABYTE):
            digest.update(block)
            progress(f"checking {path.name} (MB)", file.tell() // MEGABYTE, total)
    return digest.hexdigest()


def check_cache(name: str, root: Path) -> None:
    """Refuse to replace files with the names of a cache that no preparation has written.

    Raises:
        FileExistsError: If there are such files.
    """
    path, record = cache_paths(name, root)
    check_folder(root)
    if record.is_file():
        try:
            if not (values := read_json(record)) or values.get("name") == name:
                return
        except ValueError:  # cut short
            return
    for file in (record, path):
        if os.path.lexists(file):
            raise FileExistsError(
                f"{file} exists and is of no preparation of {name}; move it away, or choose "
                "another root (--root)"
            )


def write_cache(
    name: str,
    root: Path,
    arrays: Mapping[str, Array],
    version: int,
    fingerprint: str,
    groups: Mapping[str, SourceFiles],
    bad: tuple[Rejected, ...],
    progress: ProgressCallback = no_progress,
    absent: bool = False,
) -> Provenance:
    """Write a cache in place of an older one; a memory map becomes a file of its own.

    `Provenance` describes the arguments; `progress` is called while large arrays are hashed.
    """
    path, record = cache_paths(name, root)
    # Without provenance the arrays are not valid, so a cache is never half old and half new.
    write_text(record, json.dumps({"name": name, "complete": False}) + "\n")
    large, hashes = {}, {}
    for key, array in arrays.items():
        if isinstance(array, np.memmap):
            array.flush()
            assert array.filename is not None
            file = Path(array.filename).replace(large_path(name, key, root))
            large[key] = file.stat().st_size
            hashes[key] = sha256(file, progress)
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
        absent=absent,
    )
    write_text(record, json.dumps(asdict(provenance), indent=1) + "\n")
    return provenance


def read_provenance(name: str, root: Path) -> Provenance | None:
    """Return what a cache was made of; None if there is no complete cache."""
    path, record = cache_paths(name, root)
    try:
        values = read_json(record)
        values["groups"] = {key: SourceFiles(**group) for key, group in values["groups"].items()}
        values["bad"] = tuple(Rejected(**one) for one in values["bad"])
        provenance = Provenance(**values)
        sizes = {large_path(name, key, root): size for key, size in provenance.large.items()}
        sizes[path] = provenance.bytes
        complete = all(file.stat().st_size == size for file, size in sizes.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return provenance if complete and provenance.name == name else None


def read_cache(
    name: str, root: str, version: int, flags: str = ""
) -> tuple[dict[str, Array], Provenance]:
    """Return the arrays of a prepared data set, large ones as memory maps.

    Args:
        name: Name of the data set.
        root: Folder of the cache.
        version: Version of the preparation that the caller reads.
        flags: Flags of the command that prepares it, besides source and root; for messages.

    Raises:
        FileNotFoundError: If the data set is not prepared; the message has the command to run.
        ValueError: If the cache is damaged or has another version.
    """
    path, record = cache_paths(name, Path(root))
    where = shell("--root", root)
    command = f"dmrnet data prepare {name} --source DIR {where}{flags and ' '}{flags}"
    if not path.exists() and not record.exists():
        page = PAGES.get(name, "public-data")
        raise FileNotFoundError(
            f"there is no prepared {name} in {root} ({path} is not there); prepare it with: "
            f"{command}  (docs/how-to/{page}.md says where to get what DIR holds)"
        )
    provenance = read_provenance(name, Path(root))
    if not record.exists():
        raise ValueError(f"{record}, which describes it, is gone; remove {path}, and {command}")
    if provenance is None:
        raise ValueError(f"{path} and {record.name} are damaged or do not agree; run: {command}")
    if provenance.version != version:
        raise ValueError(
            f"{path}: expected version {version} of the preparation, got {provenance.version}; "
            f"run: {command}"
        )
    try:
        arrays = read_arrays(path)
        for key in provenance.large:
            arrays[key] = np.load(large_path(name, key, Path(root)), mmap_mode="r")
        return arrays, provenance
    except ValueError as error:
        raise ValueError(f"{error}; run: {command}") from error


def write_rejected(name: str, root: Path, rejected: Sequence[Rejected]) -> Path:
    """Write ``ROOT/NAME.rejected.txt``, a line ``GROUP<TAB>NAME<TAB>REASON`` each; return its path.

    If nothing is rejected, the file of an earlier preparation is removed.
    """
    path = root / f"{name}.rejected.txt"
    if not rejected:
        path.unlink(missing_ok=True)
        return path
    lines = [
        "\t".join(re.sub(r"[\t\r\n]+", " ", text) for text in (one.group, one.name, one.reason))
        for one in rejected
    ]
    # A file name need not be Unicode; surrogateescape restores its bytes.
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
    return path


def summarise(rejected: Sequence[Rejected], most: int = 10, full_list: object = "") -> str:
    """Return how many were rejected of each group, and at most `most` of them with their reasons.

    `full_list` is where all are listed; it is mentioned if some are not named.

    >>> summarise([Rejected("sound", "1_a_2.wav", "is empty")])
    '1 sound: 1_a_2.wav (is empty)'
    >>> two = [Rejected("sound", "1.wav", "is empty"), Rejected("sound", "2.wav", "is missing")]
    >>> summarise(two, 1, "list")
    '2 sound: 1.wav (is empty) and 1 more; all are listed in list'
    """
    groups: dict[str, list[Rejected]] = {}
    for one in rejected:
        groups.setdefault(one.group, []).append(one)
    parts = []
    for group, members in groups.items():
        named = ", ".join(f"{one.name} ({one.reason})" for one in members[:most])
        more = f" and {len(members) - most} more" if len(members) > most else ""
        parts.append(f"{len(members)} {group}: {named}{more}")
    if full_list and any(len(members) > most for members in groups.values()):
        parts.append(f"all are listed in {full_list}")
    # A file name need not be Unicode, but the text must be printable anywhere.
    return "; ".join(parts).encode(errors="backslashreplace").decode()


def skipped_note(provenance: Provenance, most: int = 5) -> tuple[str, ...]:
    """Return a sentence on what the preparation skipped; empty where it skipped nothing."""
    if not provenance.bad:
        return ()
    # NAME.rejected.txt is of the latest preparation, which may have rejected other files.
    full_list = f"{provenance.name}.json, next to the prepared data"
    what = "damaged or missing, and absent" if provenance.absent else "skipped"
    return (f"{what} when prepared: {summarise(provenance.bad, most, full_list)}",)
