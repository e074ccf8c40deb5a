"""Memory that a training step on a CPU has freed, kept for the next step."""

from __future__ import annotations

import ctypes
import gc
import os
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What glibc's ``mallopt`` calls them (``malloc.h``)."""

LARGEST = 1 << 30
"""Bytes up to which a tensor is taken from memory that is kept."""

CHOSEN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TOP_PAD_",
    "GLIBC_TUNABLES",
)
"""Variables by which a user settles this; they stay in force."""


def keep_freed() -> bool:
    """Ask the C library to keep what is freed, rather than to hand it back to the system.

    Handed back, it comes again page by page, zeroed by the kernel, in every step; which layers that
    hits depends on how they happen to lie. Kept, a process holds on to the most that it needed, to
    its end or to `hand_back`; what comes and goes in other sizes may need more at once.

    Returns:
        Whether it was asked: by default on Linux with a recent glibc (one before 2.35 refuses),
        unless the user has settled it.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in CHOSEN):
        return False
    library = ctypes.CDLL(None)
    kept = library.mallopt(MMAP_THRESHOLD, LARGEST) and library.mallopt(TRIM_THRESHOLD, -1)
    return bool(kept)


def hand_back() -> None:
    """Give the system what this process keeps and does not need, between two runs."""
    # Trainers are cycles.
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
