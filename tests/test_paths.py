"""Public functions take paths as text and as `Path`, and calls in the text of the pages exist."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.engine.test_old_runs import OLD_RUNS

import dmrnet
from dmrnet.engine import RunFolder, open_run, predict_run
from dmrnet.settings import read_config

ROOT = Path(__file__).parents[1]
MODULES = ["dmrnet", "dmrnet.sklearn"] + [
    f"dmrnet.{module.name}"
    for module in pkgutil.iter_modules(dmrnet.__path__)
    if module.ispkg and module.name not in ("cli", "testing")
]
OF_PATHS = ("Report.__init__", "RunFolder.put_test", "Exported.__init__")
"""What is made by this package, of paths that it has made."""

PLUGINS = ("DataSettings.read", "DataSettings.open")
"""What others write, and this package calls with text."""


def public_functions(module: str) -> Iterator[tuple[str, Any]]:
    names = import_module(module)
    for name in getattr(names, "__all__", ()):
        item = getattr(names, name)
        if inspect.isclass(item):
            for key, member in inspect.getmembers(item):
                if key == "__init__" or not key.startswith("_"):
                    yield f"{name}.{key}", getattr(member, "__func__", member)
        else:
            yield name, item


@pytest.mark.parametrize("module", MODULES)
def test_paths_may_be_text_or_path(module: str) -> None:
    for name, function in public_functions(module):
        if not inspect.isfunction(function) or not function.__module__.startswith("dmrnet"):
            continue
        for parameter in inspect.signature(function).parameters.values():
            kind = str(parameter.annotation)
            path, text = (re.search(rf"\b{word}\b", kind) for word in ("Path", "str"))
            assert not path or text or name in OF_PATHS, (name, parameter)
            if parameter.name in ("path", "file", "folder", "out", "root", "test") and text:
                assert path or name in PLUGINS, (name, parameter)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_run_is_opened_by_either(kind: type) -> None:
    path = OLD_RUNS / "arrays-dmrnet"
    run = open_run(kind(path))
    assert RunFolder(kind(path)).name == path.name
    assert read_config(kind(run.folder.config)).seed == run.settings.seed
    data, rows, probabilities = predict_run(run, kind(OLD_RUNS / "data" / "test.npz"))
    assert len(data) >= len(rows) == len(probabilities)
    assert dmrnet.open_run(kind(path)).path == path


CALL = re.compile(r"`(dmrnet(?:\.\w+)+\([^`]*\)[^`]*)`")


def test_calls_in_sentences_are_calls() -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts]
    texts = [text for page in pages for text in CALL.findall(page.read_text(encoding="utf-8"))]
    assert len(texts) > 3
    for text in texts:
        try:
            tree = ast.parse(" ".join(text.split()), mode="eval")
        except SyntaxError:
            assert "..." in text or "…" in text, text
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if not re.fullmatch(r"dmrnet(\.\w+)+", name):
                continue
            function = pkgutil.resolve_name(name)
            if not any(isinstance(one, ast.Constant) and one.value is ... for one in call.args):
                words = {word.arg: None for word in call.keywords if word.arg}
                inspect.signature(function).bind(*call.args, **words)
