"""A lock on a folder, so that one process at a time writes into it.

Imports nothing of this package.

Two trainings of one run would append to the same records, and of two processes that read rows, add
some and write all of them, the last would lose those of the first.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
"""The file that is locked, in the folder; one that a killed process left there locks nothing."""

PAUSE = 0.1
"""Seconds between two attempts."""

ATTEMPTS = 100
"""Number of times a folder is made anew if other processes keep removing it."""

log = logging.getLogger(__name__)


class BusyError(ValueError):
    """Another process has locked a folder.

    Args:
        folder: The folder.
        holder: The process.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{folder} is in use by {holder}; wait until that has ended")
        self.holder = holder


@contextmanager
def lock_folder(folder: Path, timeout: float | None = None) -> Iterator[None]:
    """Lock a folder for this thread, which may lock it again while it has it.

    The lock ends with the process, however that ends. Where the folder cannot be written to, or its
    file system has no locks, nothing is locked.

    Args:
        folder: The folder; made if need be, and removed again if nothing was put into it.
        timeout: Seconds to wait for another process; None to wait for as long as it takes.

    Raises:
        BusyError: If another process still has the folder locked.
    """
    made = not folder.exists()
    lock = _acquire(folder, timeout)
    try:
        yield
    finally:
        if lock is not None:
            if lock.lock_counter == 1:
                # Whoever waits sees that the locked file is gone, and locks a new one.
                with suppress(OSError):
                    (folder / LOCK).unlink()
            lock.release()
        if made:
            with suppress(OSError):
                folder.rmdir()


def holder_of(folder: Path) -> str | None:
    """Return the process that has locked a folder; None if none has, or this one."""
    if not (folder / LOCK).exists():
        return None
    try:
        with lock_folder(folder, 0.0):
            return None
    except BusyError as busy:
        return busy.holder


def _acquire(folder: Path, timeout: float | None) -> BaseFileLock | None:
    """Return the lock once this thread has it; None where there are no locks."""
    from filelock import FileLock, Timeout

    # One instance for a path, so that a thread can lock it again. A file in place of a lock, which
    # filelock falls back to, would outlive a killed process.
    lock = FileLock(folder / LOCK, is_singleton=True, fallback_to_soft=False, poll_interval=PAUSE)
    wait, last = 0.0, -1.0 if timeout is None else timeout
    for _ in range(ATTEMPTS):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait)
        except Timeout:
            holder = _holder(folder)
            if wait == last:
                raise BusyError(folder, holder) from None
            if timeout is None:
                log.warning("waiting for %s, which uses %s", holder, folder)
            wait = last
        except FileNotFoundError:  # whoever had made the folder has removed it
            continue
        except PermissionError:  # writing will say what is wrong
            return None
        except (OSError, NotImplementedError):  # a file system without locks, most of all
            with suppress(OSError):
                (folder / LOCK).unlink()
            return None
        else:
            # A full disk is for others to report.
            with suppress(OSError):
                (folder / LOCK).write_text(f"process {os.getpid()} on {platform.node()}")
            return lock
    return None


def _holder(folder: Path) -> str:
    """Return the process that has a folder locked, as it has written there."""
    with suppress(OSError):
        return (folder / LOCK).read_text().strip() or "another process"
    return "another process"
