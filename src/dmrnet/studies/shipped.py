"""Studies that ship with the package, by name. Imports nothing heavy."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dmrnet.hints import nearest
from dmrnet.studies.protocols import FILE


def shipped() -> dict[str, Path]:
    """Return the files of the shipped studies by name."""
    folder = Path(str(files("dmrnet.studies").joinpath("files")))
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
