"""Memory that a training step on a CPU frees, kept for the next step."""

from __future__ import annotations

import ctypes
import gc
import os
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of glibc's ``mallopt`` (``malloc.h``)."""

LARGEST = 1 << 30
"""Size in bytes up to which a tensor uses memory that was kept."""

CHOSEN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TOP_PAD_",
    "GLIBC_TUNABLES",
)
"""Environment variables by which a user sets this; they stay in force."""


def keep_freed() -> bool:
    """Ask the C library to keep freed memory rather than to return it to the system.

    Memory that was returned is mapped again in every step, page by page, zeroed by the kernel;
    which layers that slows depends on the layout of memory. The price: a process keeps the most
    memory that it has needed, to its end or to `hand_back`, and may need more where sizes vary.

    Returns:
        Whether the library agreed: on Linux with glibc from 2.35 on, unless the user has set it.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in CHOSEN):
        return False
    library = ctypes.CDLL(None)
    kept = library.mallopt(MMAP_THRESHOLD, LARGEST) and library.mallopt(TRIM_THRESHOLD, -1)
    return bool(kept)


def hand_back() -> None:
    """Return unused memory that this process keeps to the system, between two runs."""
    # Trainers are freed by the collector only: they refer to themselves.
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
