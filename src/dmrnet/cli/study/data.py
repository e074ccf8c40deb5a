"""Data sets of a study from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from dmrnet.data.registry import data_class
from dmrnet.settings.flags import read_flags
from dmrnet.studies.spec import Study


def with_data(
    study: Study, data: Sequence[str] | None, root: str | None, flags: Sequence[str]
) -> tuple[Study, list[str]]:
    """Return a study on the requested data sets.

    Args:
        study: Study as in its file.
        data: Data sets as ``NAME`` or ``NAME=ROOT``; None for those of the file.
        root: Folder of prepared data; its subfolder of a data set's name is preferred.
        flags: Other flags; data flags go to the data sets that have the setting, the rest is
            returned.
    """
    chosen = dict(study.data) if data is None else {}
    for word in data or ():
        name, equals, folder = word.partition("=")
        own = dict(study.data.get(name, {}))
        data_class(own.get("data", name))
        chosen[name] = {**own, "data.root": folder} if equals else own
    settings = {
        name: {**_root_setting(own.get("data", name), root), **own} for name, own in chosen.items()
    }
    sets = {name: own.get("data", name) for name, own in settings.items()}
    rest: list[str] = []
    for name, value in read_flags(flags):
        key = name.replace("_", "-")
        if not key.startswith("data."):
            rest += [f"--{key}", *([] if value is None else [value])]
            continue
        owners = [
            name for name, of in sets.items() if key.removeprefix("data.") in _setting_names(of)
        ]
        if value is not None and owners:
            for name in owners:
                settings[name][key] = value
        else:
            # Parsing it for one data set raises the right error.
            only = next(iter(sets.values()))
            if len(settings) > 1:
                raise ValueError(f"none of {', '.join(settings)} has a setting --{key}")
            from dmrnet.settings.config import parse_data

            parse_data(only, [f"--{key}", *([] if value is None else [value])])
    return replace(study, data=settings), rest


def _setting_names(name: str) -> set[str]:
    return {field.name.replace("_", "-") for field in fields(data_class(name))}


def _root_setting(name: str, root: str | None) -> dict[str, str]:
    if root is None or "root" not in _setting_names(name):
        return {}
    own = Path(root) / name
    return {"data.root": str(own if own.is_dir() else root)}
