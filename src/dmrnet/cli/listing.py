"""Lists of data sets and methods with summaries, read from source files where that is possible."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dmrnet.cli.arguments import columns
from dmrnet.registry import Registry


def summaries(things: Registry[Any]) -> dict[str, str]:
    """Return the summary of every data set or method, `DATASETS` or `METHODS`.

    Those of this package are in the docstrings of their modules. Those of other packages are a
    class's ``summary``, or the first line of the docstring of the class or function. They are read
    without importing the module, which may import torch, wherever it defines them itself.
    """
    return {
        name: _of_module(path) if things.is_builtin(name) else _of_other(things, name)
        for name, path in things.items()
    }


def _of_module(path: str) -> str:
    line = (import_module(path.partition(":")[0]).__doc__ or "").partition("\n")[0]
    name, colon, rest = line.partition(": ")
    return _plain(rest if colon and " " not in name else line)


def _of_other(things: Registry[Any], name: str) -> str:
    """Return the summary of what another package offers; its import path if there is none."""
    # Help goes on, whatever is broken in another package.
    try:
        summary = _of_source(things[name])
        if summary is None:
            item = things.load(name)
            summary = getattr(item, "summary", None) or item.__doc__
    except Exception:
        summary = None
    return _plain((summary or things[name]).strip().partition("\n")[0])


def _of_source(path: str) -> str | None:
    """Return a class's ``summary`` or the docstring of a class or function, from the source."""
    module, _, attribute = path.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            for statement in node.body:
                match statement:
                    case (
                        ast.AnnAssign(
                            target=ast.Name("summary"), value=ast.Constant(value=str(summary))
                        )
                        | ast.Assign(
                            targets=[ast.Name("summary")], value=ast.Constant(value=str(summary))
                        )
                    ):
                        return summary
            return ast.get_docstring(node)
    return None


def _plain(line: str) -> str:
    return line.rstrip(".").replace("``", "")


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
