"""Lists of data sets and methods with summaries, read from source files without importing them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from importlib import import_module

from dmrnet.cli.arguments import columns
from dmrnet.data.registry import DATASETS
from dmrnet.methods import METHODS


def summaries(classes: Mapping[str, str]) -> dict[str, str]:
    """Return the first line of each module's docstring, without a leading name.

    Args:
        classes: ``module:Class`` by name, as in `METHODS` and `DATASETS`.
    """
    return {name: _first_line(path.partition(":")[0]) for name, path in classes.items()}


def _first_line(module: str) -> str:
    line = (import_module(module).__doc__ or "").partition("\n")[0]
    name, colon, rest = line.partition(": ")
    return (rest if colon and " " not in name else line).rstrip(".").replace("``", "")


def data_sets() -> dict[str, str]:
    """Return the data sets with their summaries."""
    return summaries(DATASETS)


def methods() -> dict[str, str]:
    """Return the methods with their summaries."""
    return summaries(METHODS)


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
