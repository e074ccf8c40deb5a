"""Studies and training protocols that ship with the package. Imports nothing heavy."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from dmrnet.hints import nearest
from dmrnet.settings.files import flat, parse_tree
from dmrnet.studies.resources import shipped_folder
from dmrnet.studies.spec import as_flag

FILE = "protocols.yaml"
"""Training protocols of the paper and its released code on the paper's data."""


def shipped() -> dict[str, Path]:
    """Return the files of the shipped studies by name."""
    folder = shipped_folder("files")
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.name != FILE}


def first_line(path: Path) -> str:
    """Return the comment in a study's first line."""
    with path.open(encoding="utf-8") as stream:
        return stream.readline().lstrip("# ").strip().rstrip(".")


def find_study(word: str) -> Path:
    """Return the file of a study, given by its path or the name of a shipped one.

    Raises:
        FileNotFoundError: If there is neither.
    """
    path, known = Path(word), shipped()
    if path.is_file():
        return path
    if word in known:
        return known[word]
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no study file {word}")
    raise FileNotFoundError(f"there is no study {word!r}, nor a file; {nearest(word, known)}")


@cache
def protocols() -> dict[str, dict[str, Any]]:
    """Return the settings by data set and recipe, of all methods and of single ones."""
    text = (shipped_folder("files") / FILE).read_text(encoding="utf-8")
    tree: dict[str, dict[str, Any]] = parse_tree(text, FILE)
    return tree


def protocol(data: str, method: str, recipe: str) -> tuple[str, dict[str, str]]:
    """Return the recipe of a method on a data set, and the settings of its protocol.

    A recipe without a protocol is returned unchanged.
    """
    values = protocols().get(data, {}).get(recipe, {})
    own = values.get("methods", {}).get(method, {})
    settings = {**flat(values.get("settings", {})), **flat(own.get("settings", {}))}
    return own.get("recipe", recipe), {key: as_flag(value) for key, value in settings.items()}
