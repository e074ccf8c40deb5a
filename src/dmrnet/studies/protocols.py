"""Training protocols of the paper and its released code on the paper's data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from dmrnet.settings.files import flat, parse_tree
from dmrnet.studies.spec import as_flag

FILE = "protocols.yaml"


@cache
def protocols() -> dict[str, dict[str, Any]]:
    """Return the settings by data set and recipe, of all methods and of single ones."""
    text = files("dmrnet.studies").joinpath("files", FILE).read_text(encoding="utf-8")
    tree: dict[str, dict[str, Any]] = parse_tree(text, FILE)
    return tree


def protocol(data: str, method: str, recipe: str) -> tuple[str, dict[str, str]]:
    """Return the recipe of a method on a data set, and the settings of its protocol.

    A recipe without a protocol is returned unchanged.
    """
    found = protocols().get(data, {}).get(recipe, {})
    own = found.get("methods", {}).get(method, {})
    settings = {**flat(found.get("settings", {})), **flat(own.get("settings", {}))}
    return own.get("recipe", recipe), {key: as_flag(value) for key, value in settings.items()}
