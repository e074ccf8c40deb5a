"""The example plugin: installed as a package, its method is like one of this package."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"
LONGEST_METHOD = 40

SHORT = '["--max-epochs", "1", "--threads", "1", "--out"]'
FIT_AND_CONTRACT = f"""
import sys
import pytest
from dmrnet.cli import main

PATH = "test_gated.py"
fit = "fit --data cancer --method gated --method.network.encoders.mean lowpass"
codes = [
    main([*fit.split(), *{SHORT}, "run"]),
    pytest.main(["-q", "-p", "no:cacheprovider", "-k", "finite or hidden or lowers", PATH]),
]
sys.exit(f"exit codes {{codes}}" if any(codes) else 0)
"""
STUDY = f"""
import sys
from dmrnet.cli import main
from dmrnet.report.figures.drawing import figure

figure.to_svg, figure.to_png = lambda *_: "<svg></svg>", lambda *_: b""
sys.exit(main(["study", "study.yaml", "--workers", "1", *{SHORT}, "study"]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the plugin offline; return variables of processes that have it."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN, source)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", target, source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(PLUGIN.parents[1] / "src"), str(target)])
    return {**os.environ, "PYTHONPATH": path}


def test_help_lists_it_with_its_summary_and_without_torch(environment: dict[str, str]) -> None:
    code = (
        "import sys; from dmrnet.cli import main; main(['fit', '--help']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search("^ *gated +mean of the visible modalities, weighed", done.stdout, re.M)


def in_a_process(script: str, environment: dict[str, str], folder: Path) -> None:
    for name in ("study.yaml", "test_gated.py"):
        shutil.copy(PLUGIN / name, folder)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_fitted_and_keeps_the_contract(environment: dict[str, str], tmp_path: Path) -> None:
    in_a_process(FIT_AND_CONTRACT, environment, tmp_path)
    assert "name: gated" in (tmp_path / "run" / "config.yaml").read_text()
    assert "mean: lowpass" in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.slow
def test_it_is_studied_and_reported(environment: dict[str, str], tmp_path: Path) -> None:
    in_a_process(STUDY, environment, tmp_path)
    page = (tmp_path / "study" / "report" / "report.md").read_text()
    assert "sf-md" in page
    assert "gated" in page


def test_the_method_is_short() -> None:
    parts = {
        node.name: node
        for node in ast.parse((PLUGIN / "dmrnet_gated.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    end = parts["GatedSettings"].end_lineno
    assert end is not None
    assert end - parts["GatedMean"].lineno < LONGEST_METHOD
