"""A package that is missing is one line that says how to install it, wherever it is needed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from tests.sources import imports

from dmrnet.cli.failures import guarded
from dmrnet.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Modules by the distribution that has them, where names differ.
MODULES = {
    "pyyaml": "yaml",
    "python-multipart": "python_multipart",
    "prometheus-client": "prometheus_client",
    "scikit-learn": "sklearn",
    "torch-geometric": "torch_geometric",
}
# What comes with a package that is named: torch and torchvision bring these, fastapi and
# scikit-learn those.
WITH_CORE = {"PIL", "safetensors", "packaging", "markupsafe"}
WITH_EXTRAS = {"starlette": "fastapi", "threadpoolctl": "sklearn"}
# For tests of plugins.
OTHERS = {"pytest"}


def module_of(requirement: str) -> str:
    name = re.split(r"[<>=\[!~ ]", requirement)[0]
    return MODULES.get(name, name)


def test_every_extra_is_known_by_its_modules() -> None:
    extras = {
        module_of(one): extra
        for extra, packages in PROJECT["optional-dependencies"].items()
        if extra not in ("all", "dev", "docs")
        for one in packages
    }
    expected = extras | {module: extras[owner] for module, owner in WITH_EXTRAS.items()}
    assert {k: v for k, v in EXTRAS.items() if v} == expected


def test_every_import_is_of_the_core_or_of_an_extra() -> None:
    core = {module_of(one) for one in PROJECT["dependencies"]} | WITH_CORE | OTHERS
    imported: dict[str, str] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in imports(path.read_text("utf-8")):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            imported |= {name.partition(".")[0]: str(path) for name in names}
    own = {"dmrnet", "__future__", *sys.stdlib_module_names}
    unknown = {k: v for k, v in imported.items() if k not in own | core | EXTRAS.keys()}
    assert unknown == {}, "add them to dmrnet.extras.EXTRAS, and their extra to pyproject.toml"


@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_package_is_one_line_that_names_its_extra(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> int:
        raise ModuleNotFoundError(f"No module named '{module}.part'", name=f"{module}.part")

    assert guarded(command) == 2
    said = capsys.readouterr().err
    install = f"'dmrnet[{EXTRAS[module]}]'" if EXTRAS[module] else module
    assert said == (
        f"dmrnet: error: the package {module} is not installed: pip install {install}\n"
    )


def test_other_missing_modules_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    def users() -> int:
        raise ModuleNotFoundError("No module named 'mine'", name="mine")

    def ours() -> int:
        raise ModuleNotFoundError("No module named 'dmrnet.gone'", name="dmrnet.gone")

    def written() -> int:
        raise ModuleNotFoundError("ONNX needs onnx: pip install 'dmrnet[onnx]'", name="onnx")

    assert guarded(users) == 2
    assert "the package mine is not installed: pip install mine" in capsys.readouterr().err
    assert guarded(written) == 2
    said = capsys.readouterr().err
    assert said == "dmrnet: error: ONNX needs onnx: pip install 'dmrnet[onnx]'\n"
    # A part of this package that is gone is a failure, not a mistake of the user.
    assert guarded(ours) == 1
