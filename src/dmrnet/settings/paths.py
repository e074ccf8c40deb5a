"""Where the data of a run stand, so that starting from elsewhere, or a move, does no harm.

``config.yaml`` of a run holds absolute paths, whatever was typed. ``run.json`` holds them once
more, as they are reached from the run's folder, for a project that is moved as a whole. What is
found there is still held to the content that the run began with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

Settings = TypeVar("Settings")


def paths_of(data: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the paths among the settings of a data set, by field.

    Text without a default is a path; text with one is a choice.

    >>> from dmrnet.data.sets.arrays import Arrays
    >>> paths_of(Arrays("train.npz", test="test.npz"))
    {'train': 'train.npz', 'test': 'test.npz'}
    """
    return {
        field.name: value
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), str)
        and not isinstance(field.default, str)
    }


def absolute(data: Settings) -> Settings:
    """Return settings of a data set with every path absolute."""
    named = {name: os.path.normpath(Path(path).absolute()) for name, path in paths_of(data).items()}
    found: Settings = replace(data, **named)  # type: ignore[type-var]
    return found


def beside(data: Any, folder: Path) -> dict[str, str]:  # noqa: ANN401
    """Return the paths of a data set's settings as they are reached from a folder, by field."""
    found = {}
    for name, path in paths_of(data).items():
        try:
            found[name] = os.path.relpath(path, folder)
        except ValueError:  # on another drive
            continue
    return found


def at_hand(data: Settings, folder: Path, known: Mapping[str, str]) -> Settings:
    """Return settings of a data set whose paths lead somewhere, where that can be had.

    Args:
        data: As ``config.yaml`` of the run has them.
        folder: The run's.
        known: What `beside` told when the run was trained.
    """
    moved = {}
    for name, path in paths_of(data).items():
        there = os.path.normpath(folder.absolute() / known.get(name, path))
        if not Path(path).exists() and Path(there).exists():
            moved[name] = there
    found: Settings = replace(data, **moved)  # type: ignore[type-var]
    return found
