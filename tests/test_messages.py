"""Texts outside the command line serve both of its faces: they name arguments, then flags."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "src" / "dmrnet"
OF_FLAGS = {"cli", "settings/flags.py"}
"""What only the command line runs, and what reads flags."""
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z.-]*)")
COMMAND = re.compile(r"(dmrnet|pip|git) [a-z]+|style=")
"""Whole commands, which are to be run as they are; CSS."""


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Return the line and content of all text but docstrings; ``{}`` for what is put in."""
    parts: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            parts.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            if node not in parts:
                yield (
                    node.lineno,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "{}"
                        for part in node.values
                    ),
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value


def _faults(text: str) -> list[str]:
    """Return the flags of a text that stand outside brackets or whose argument it does not name."""
    if " " not in text or COMMAND.search(text):
        return []
    bare, arguments = re.sub(r"\([^()]*\)", "", text), FLAG.sub("", text)
    names = {
        flag: flag.rpartition(".")[2].removesuffix("-file").replace("-", "_")
        for flag in FLAG.findall(text)
    }
    return [
        flag
        for flag, name in names.items()
        if f"--{flag}" in bare or not re.search(rf"(?<!\w){name}(?!\w)", arguments)
    ]


def test_texts_name_the_argument_and_then_the_flag() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: --{flag}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not any(path.relative_to(PACKAGE).as_posix().startswith(one) for one in OF_FLAGS)
        # Few modules name a flag at all.
        if FLAG.search(source := path.read_text())
        for line, text in _texts(ast.parse(source))
        for flag in _faults(text)
    ]
    assert not found, "name the argument of Python, with its flag in brackets behind it"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("try a lower lr (--lr)", []),
        ("a larger batch_size (--batch-size)", []),
        ("say target='regression' (--data.target regression)", []),
        ("go on with dmrnet fit --out {}", []),
        ("try a lower --lr", ["lr"]),
        ("train again into another --out", ["out"]),
        ("train it longer (--max-epochs)", ["max-epochs"]),
    ],
)
def test_the_rule(text: str, faults: list[str]) -> None:
    assert _faults(text) == faults
