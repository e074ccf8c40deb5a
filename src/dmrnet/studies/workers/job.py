"""A run of a study that is to be made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One run that is to be made.

    Attributes:
        label: For whoever watches.
        argv: Its settings as flags of ``dmrnet fit``.
        test: It is tested, too, and not on validation alone.
    """

    label: str
    argv: tuple[str, ...]
    test: bool = True
