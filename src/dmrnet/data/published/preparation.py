"""Preparing a data set: its published files are checked and decoded once, into a cache.

`Preparation.find` finds the files, and `Preparation.build` makes arrays of them through a `Work`,
which reads, decodes and collects what is bad. Nothing is left out silently, and nothing shifts:
values and names are kept together.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import (
    ProgressCallback,
    Provenance,
    cache_paths,
    check_cache,
    large_path,
    no_progress,
    read_provenance,
    sha256,
    summarise,
    write_cache,
    write_rejected,
)
from dmrnet.data.published.sources import FilesByGroup, common_path
from dmrnet.data.published.work import Log, Work, digest
from dmrnet.data.registry import DATASETS
from dmrnet.hints import nearest
from dmrnet.untrusted import folders_of

PREPARATIONS = (
    *("brats", "casia-surf", "crema-d", "cwfid", "digits", "kinetics-sounds", "nyuv2", "watch"),
)
"""Data sets that are prepared before use; the module of each holds its `PREPARATION`."""


@dataclass(frozen=True)
class Preparation:
    """Preparation of a data set.

    Attributes:
        version: Version, raised whenever the same files would give other arrays.
        find: Finds the files in the sources. Raises FileNotFoundError if a kind is missing, and
            ValueError if the sources are ambiguous, or a list that names files is damaged.
        build: Makes the arrays.
        modalities: Whether a sample has several files, some of which may be absent.
    """

    version: int
    find: Callable[[Sequence[Path]], FilesByGroup]
    build: Callable[[Work], dict[str, Array]]
    modalities: bool = False


def preparation(name: str) -> Preparation:
    """Return how a data set is prepared; raise ValueError if it is not in `PREPARATIONS`."""
    if name in PREPARATIONS:
        module = import_module(f"dmrnet.data.published.{name.replace('-', '_')}")
        result: Preparation = module.PREPARATION
        return result
    if name in DATASETS:
        raise ValueError(f"{name} needs no preparing; prepared are {', '.join(PREPARATIONS)}")
    raise ValueError(f"unknown data set {name!r}; {nearest(name, PREPARATIONS)}")


def prepare(
    name: str,
    sources: Sequence[str | Path],
    root: str | Path,
    *,
    bad: Literal["skip", "absent", "refuse"] = "refuse",
    allow_pickle: bool = False,
    log: Log = lambda sentence: None,
    progress: ProgressCallback = no_progress,
) -> Path:
    """Check and decode a data set's published files into the cache that its settings read.

    An interrupted call is continued by the next one. A cache of these very files is checked from
    end to end, and kept if it is as it was written.

    Args:
        name: Name of the data set.
        sources: Folders or files that hold what was published, in any order.
        root: Folder for the cache; made if it does not exist.
        bad: What to do if files are missing or damaged: `refuse` (make nothing) or `skip` (go on
            without their samples) or `absent` (keep samples that lost only some of their files,
            with these modalities absent). In any case they are counted, the first are named, and
            all are listed in ``ROOT/NAME.rejected.txt``.
        allow_pickle: Open a pickled source, for data sets that are published as one.
        log: Called with sentences on what was found.
        progress: Called with the kind of file, how many are done and how many there are; in
            megabytes while large arrays are checked.

    Returns:
        The path of the cache.

    Raises:
        FileExistsError: If the folder holds files of these names that are of no preparation.
        FileNotFoundError: If a source does not exist or does not hold the data set.
        ValueError: If files are bad and `bad` is `refuse`, the sources are ambiguous, or a source
            may not be opened.
    """
    plan = preparation(name)
    if bad not in ("skip", "absent", "refuse"):
        raise ValueError(f"expected bad files to be 'skip', 'absent' or 'refuse', got {bad!r}")
    if bad == "absent" and not plan.modalities:
        raise ValueError(f"samples of {name} cannot lack a modality; expected bad 'skip'")
    if not sources:
        raise ValueError(f"{name}: expected at least one source, a folder or a file")
    for source in sources:
        if not Path(source).exists():
            raise FileNotFoundError(f"there is no source {source}")
    paths = [Path(source) for source in sources]
    roots = folders_of(paths)
    files = {
        group: [replace(file, roots=roots) for file in some]
        for group, some in plan.find(paths).items()
    }
    stamps = {group: [file.stamp() for file in some] for group, some in files.items()}
    fingerprint = digest([name, plan.version, stamps])
    root = Path(root)
    path, record = cache_paths(name, root)
    cache = read_provenance(name, root)
    if (
        cache is not None
        and (cache.version, cache.fingerprint) == (plan.version, fingerprint)
        and (not cache.bad or (bad != "refuse" and cache.absent == (bad == "absent")))
        and _is_unchanged(cache, root, log, progress)
    ):
        log(f"{path} is already made of these files; nothing to do")
        return path
    for group, some in files.items():
        count = "1 file" if len(some) == 1 else f"{len(some)} files"
        log(f"{group}: {count} in {common_path(some)}")
    check_cache(name, root)
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f".{name}-{plan.version}-parts"
    work = Work(
        files, folder, allow_pickle, log, progress, keep=bad == "absent", strict=bad == "refuse"
    )
    try:
        arrays = plan.build(work)
    except ValueError as error:
        if not work.rejected:
            raise
        full_list = write_rejected(name, root, work.rejected)
        raise ValueError(f"{error}; bad files are listed in {full_list}") from error
    rejected = tuple(work.rejected)
    full_list = write_rejected(name, root, rejected)
    if rejected and bad == "refuse":
        raise ValueError(
            f"{name}: {len(rejected)} of the source are missing or damaged, so nothing was made: "
            f"{summarise(rejected, full_list=full_list)}. Mend them, or go on without them with "
            f"bad='skip'{', or absent, which keeps the rest of a sample' * plan.modalities} (--bad)"
        )
    if rejected:
        log(f"{'absent:' if work.keep else 'skipped'} {summarise(rejected, full_list=full_list)}")
    made = write_cache(
        name,
        root,
        arrays,
        plan.version,
        fingerprint,
        work.groups,
        rejected,
        progress,
        absent=work.keep,
    )
    shutil.rmtree(folder, ignore_errors=True)
    log(f"written: {path} ({made.total_bytes / 1e6:.1f} MB), and {record.name}: what it is made of")
    return path


def _is_unchanged(cache: Provenance, root: Path, log: Log, progress: ProgressCallback) -> bool:
    """Return whether the content of a cache is what was written."""
    path, record = cache_paths(cache.name, root)
    hashes = {large_path(cache.name, key, root): cache.large_sha256.get(key) for key in cache.large}
    hashes[path] = cache.sha256
    unchanged, unhashed = True, []
    for file, kept in hashes.items():
        if kept is None:
            unhashed.append(file.name)
        elif sha256(file, progress) != kept:
            log(f"{file} is no longer what was written, so it is made anew")
            unchanged = False
    if unchanged:
        # The cache may be in a folder that cannot be written to.
        with suppress(OSError):
            write_rejected(cache.name, root, cache.bad)
        if unhashed:
            log(
                f"{', '.join(unhashed)}: prepared by an older version and not checked; remove "
                f"{path} and {record} to have all made anew"
            )
    return unchanged
