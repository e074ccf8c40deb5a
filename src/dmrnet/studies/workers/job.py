"""Jobs: runs for workers to make."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A run to make.

    Attributes:
        label: Name shown to users.
        argv: Settings as flags of ``dmrnet fit``.
        test: Whether to evaluate it on its test set, too.
    """

    label: str
    argv: tuple[str, ...]
    test: bool = True
