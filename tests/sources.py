"""The imports of the package's modules: read once, and only where imports can stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

BY_CALL = ("import_module", "__import__")
"""Functions that import, too."""


@cache
def imports(source: str) -> tuple[ast.Import | ast.ImportFrom | ast.Call, ...]:
    """Return the statements that import, and calls if the module names a function that does."""
    tree = ast.parse(source)
    by_call = any(name in source for name in BY_CALL)
    nodes = ast.walk(tree) if by_call else _statements(tree)
    return tuple(n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom | ast.Call))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield every statement; most of a tree is expressions."""
    found: list[ast.AST] = [tree]
    for node in found:
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            found.extend(getattr(node, part, ()))
        yield node
