"""One process at a time in a folder; imports nothing of this package.

Whoever writes into a run's folder holds it: two trainings of one run would append to the same
records, and of two that read rows, add some and write all, the last would lose those of the first.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

LOCK = ".lock"
"""In the folder, while it is held; what a killed process leaves there holds nothing."""

PAUSE = 0.1
"""Seconds between two tries."""

TRIES = 100
"""So often a folder is made anew that another process removes."""

POSSIBLE = find_spec("fcntl") is not None
"""Not on Windows, where nobody is kept out."""

log = logging.getLogger(__name__)

_held: set[tuple[int, Path]] = set()


class BusyError(ValueError):
    """Another process holds a folder.

    Args:
        place: The folder.
        who: The process.
    """

    def __init__(self, place: Path, who: str) -> None:
        super().__init__(f"{place} is in the hands of {who}; wait until that has ended")
        self.who = who


@contextmanager
def alone(place: Path, patience: float | None = None) -> Iterator[None]:
    """Hold a folder for this thread, which may ask for it again while it has it.

    It is let go when the process ends, however that ends. Where a folder may not be written to, or
    the file system or platform has no locks, nobody is kept out.

    Args:
        place: The folder; made if need be, and removed again if nothing was put into it.
        patience: Seconds to wait for who holds it; None for as long as that takes.

    Raises:
        BusyError: If another process holds it still.
    """
    mine = (threading.get_ident(), place.resolve())
    if mine in _held:
        yield
        return
    new = not place.exists()
    lock = _lock(place, patience) if POSSIBLE else None
    if lock is None:
        yield
        return
    _held.add(mine)
    try:
        yield
    finally:
        _held.discard(mine)
        _let_go(place, lock)
        if new:
            with suppress(OSError):
                place.rmdir()


def _lock(place: Path, patience: float | None) -> IO[str] | None:
    """Return the lock, held; None where there can be none."""
    until = None if patience is None else time.monotonic() + patience
    told, gone = False, 0
    while gone < TRIES:
        try:
            lock = _opened(place)
        except FileNotFoundError:  # removed in between by who had made it
            gone += 1
            continue
        except OSError:  # writing will say what is wrong
            return None
        if _locked(lock):
            if _is_there(place, lock):
                return lock
            lock.close()
            continue
        who = _read(lock)
        lock.close()
        if until is not None and time.monotonic() >= until:
            raise BusyError(place, who)
        if until is None and not told:
            log.warning("waiting for %s, which has %s in hand", who, place)
            told = True
        time.sleep(PAUSE)
    return None


def _locked(lock: IO[str]) -> bool:
    """Take the lock of an open file, and write into it who has it; False where another has."""
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks keeps nobody out
        return True
    # A full disk is for others to tell.
    with suppress(OSError):
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}")
        lock.flush()
    return True


def _opened(place: Path) -> IO[str]:
    place.mkdir(parents=True, exist_ok=True)
    return (place / LOCK).open("a+")


def _is_there(place: Path, lock: IO[str]) -> bool:
    """Whether the file that is locked is still the one that others would open."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (place / LOCK).stat())
    except OSError:
        return False


def _read(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip() or "another process"


def _let_go(place: Path, lock: IO[str]) -> None:
    import fcntl

    with suppress(OSError):
        (place / LOCK).unlink()
    # Children that were forked since have it, too; this takes it from all.
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_UN)
    with suppress(OSError):
        lock.close()
