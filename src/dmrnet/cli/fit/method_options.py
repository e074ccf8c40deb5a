"""What each method lets its user set, for help: kept in a file, so that help loads no torch.

``method_options.json`` is made from the settings classes by ``python tools/make_options.py``; a
test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TypedDict

from dmrnet.hints import nearest
from dmrnet.settings.flags import flat
from dmrnet.settings.options import REQUIRED, options_of, placeholder

FILE = "method_options.json"


class Setting(TypedDict):
    """A line of help."""

    metavar: str
    help: str
    default: str


class MethodOptions(TypedDict):
    """A method's settings by flag, and of each recipe what it is and the defaults it changes."""

    settings: dict[str, Setting]
    recipes: dict[str, str]
    changes: dict[str, dict[str, str]]


def kept(name: str) -> MethodOptions:
    """Return the options of a method, as the file has them.

    Raises:
        ValueError: If there is no method of that name.
    """
    known: dict[str, MethodOptions] = json.loads(
        files("dmrnet.cli.fit").joinpath(FILE).read_text(encoding="utf-8")
    )
    if name not in known:
        raise ValueError(f"unknown method {name!r}; {nearest(name, known)}")
    return known[name]


def described(name: str) -> MethodOptions:
    """Return the same from the settings class itself; loads torch."""
    from dmrnet.methods import method

    kind = method(name)
    options = options_of(kind, "method.")
    settings: dict[str, Setting] = {}
    for option in options:
        flag = f"{option.flag}.NAME" if option.is_mapping else option.flag
        settings[flag] = {
            "metavar": placeholder(option.annotation),
            "help": option.help,
            "default": shown(option.default),
        }
    recipes, changes = {}, {}
    for recipe, change in kind.recipes.items():
        recipes[recipe] = ", ".join(f"{k} {v}" for k, v in change.items()) or "plain defaults"
        values = flat({"method": asdict(kind.recipe(recipe))})
        changes[recipe] = {
            option.flag: text
            for option in options
            if (text := shown(values.get(option.key, option.default))) != shown(option.default)
        }
    return {"settings": settings, "recipes": recipes, "changes": changes}


def shown(default: object) -> str:
    """Return a default as help shows it, empty where there is nothing to show.

    >>> shown(0.1), shown(None)
    ('0.1', '')
    """
    if default is REQUIRED:
        return "needed"
    return "" if default in (None, {}, (), []) else str(default)
