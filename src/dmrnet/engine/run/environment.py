"""Environment of a run: versions, platform, time and the commit of this package."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("dmrnet", "torch", "torchvision", "lightning", "timm", "numpy")


def environment() -> dict[str, Any]:
    """Return versions, platform, time and the git commit of this package if it is in a checkout.

    The commit ends in ``+changes`` where tracked files differ from it.
    """
    return {**_of_process(), "started": datetime.now(UTC).isoformat(timespec="seconds")}


@cache
def _of_process() -> dict[str, Any]:
    """Return what is the same for all runs of a process; asking git takes as long as ten steps."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "platform": platform.platform(),
        "commit": package_commit(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def package_commit() -> str | None:
    """Return the git commit of the checkout that this package runs from, or None."""
    module = Path(__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(module.parent), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return done.stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository.
        git("ls-files", "--error-unmatch", module.name)
        changes = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None
