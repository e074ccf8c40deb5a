"""What there is, by name, with a line on each: read from the sources, so that nothing is loaded."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from importlib.util import find_spec
from typing import cast

from dmrnet.cli.arguments import columns
from dmrnet.data import DATASETS
from dmrnet.methods import METHODS


def summaries(places: Mapping[str, str]) -> dict[str, str]:
    """Return the first line of each module's docstring, without the name it begins with.

    Args:
        places: ``module:Class`` by name, as the lists of methods and data sets have it.
    """
    return {name: _first_line(place.partition(":")[0]) for name, place in places.items()}


def _first_line(module: str) -> str:
    spec = find_spec(module)
    get_source = getattr(spec.loader, "get_source", None) if spec else None
    source = cast("str | None", get_source(module)) if get_source else None
    line = (ast.get_docstring(ast.parse(source or "")) or "").partition("\n")[0]
    name, colon, rest = line.partition(": ")
    return (rest if colon and " " not in name else line).rstrip(".").replace("``", "")


def data_sets() -> dict[str, str]:
    """Return every data set with a line on it."""
    return summaries(DATASETS)


def methods() -> dict[str, str]:
    """Return every method with a line on it."""
    return summaries(METHODS)


def as_lines(entries: Mapping[str, str], default: str = "") -> str:
    """Return names and lines one below the other, wrapped, for help.

    >>> print(as_lines({"a": "first", "long": "second"}, "a"))
    a     first (default)
    long  second
    """
    width = max(len(name) for name in entries) + 2
    return "\n".join(
        textwrap.fill(
            f"{name:<{width}}{line}{' (default)' if name == default else ''}",
            columns() - 2,
            subsequent_indent=width * " ",
        )
        for name, line in entries.items()
    )
