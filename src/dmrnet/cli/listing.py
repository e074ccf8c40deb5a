"""Lists of data sets and methods with summaries, read from source files without importing them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from importlib import import_module

from dmrnet.cli.arguments import columns


def summaries(classes: Mapping[str, str]) -> dict[str, str]:
    """Return the summaries of `DATASETS` or `METHODS`, from the docstrings of their modules."""
    return {name: _first_line(path.partition(":")[0]) for name, path in classes.items()}


def _first_line(module: str) -> str:
    line = (import_module(module).__doc__ or "").partition("\n")[0]
    name, colon, rest = line.partition(": ")
    return (rest if colon and " " not in name else line).rstrip(".").replace("``", "")


def as_lines(entries: Mapping[str, str], default: str = "") -> str:
    """Return names with their lines, wrapped, for help texts.

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
