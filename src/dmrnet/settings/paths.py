"""Paths of a run's data: absolute in ``config.yaml``, and found again after a move.

``run.json`` also holds the paths relative to the run's folder, for a project that is moved as a
whole. The data that are found there must still be those that the run began with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

Data = TypeVar("Data")


def paths_of(data: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the paths among the settings of a data set, by field.

    Text without a default is a path; text with one is a choice, and so is text whose field has the
    metadata ``path=False``.

    >>> from dmrnet.data.sets.arrays import Arrays
    >>> paths_of(Arrays("train.npz", test="test.npz", groups="patient"))
    {'train': 'train.npz', 'test': 'test.npz'}
    """
    return {
        field.name: value
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), str)
        and not isinstance(field.default, str)
        and field.metadata.get("path", True)
    }


def absolute(data: Data) -> Data:
    """Return settings of a data set with every path absolute."""
    paths = {name: os.path.normpath(Path(path).absolute()) for name, path in paths_of(data).items()}
    settings: Data = replace(data, **paths)  # type: ignore[type-var]
    return settings


def relative_paths(data: Any, folder: Path) -> dict[str, str]:  # noqa: ANN401
    """Return the paths among the settings of a data set, relative to a folder, by field."""
    paths = {}
    for name, path in paths_of(data).items():
        try:
            paths[name] = os.path.relpath(path, folder)
        except ValueError:  # on another drive
            continue
    return paths


def after_move(
    data: Data,
    folder: Path,
    relative: Mapping[str, str],
    known: Mapping[str, str],
    fingerprint: Callable[[str], str | None],
) -> Data:
    """Return settings of a data set with paths replaced whose data moved together with the run.

    A path is replaced if nothing is there any more, or other data than the run was trained with.

    Args:
        data: Settings in ``config.yaml`` of the run.
        folder: Folder of the run.
        relative: What `relative_paths` returned when the run was trained.
        known: Fingerprint of what was at a path then, by field; some may be missing.
        fingerprint: Returns the fingerprint of what is at a path now.
    """
    paths = {}
    for name, path in paths_of(data).items():
        moved = os.path.normpath(folder.absolute() / relative.get(name, path))
        if not Path(moved).exists():
            continue
        if not Path(path).exists():
            paths[name] = moved
        elif name in known and not Path(path).samefile(moved):
            before, after = fingerprint(path), fingerprint(moved)
            if after == known[name] and before != after:
                paths[name] = moved
    settings: Data = replace(data, **paths)  # type: ignore[type-var]
    return settings
