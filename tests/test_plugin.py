"""The example plugin: installed as a package, its method is like one of this package."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmrnet.cli import main
from dmrnet.methods import METHODS
from dmrnet.nn.encoders.own import ENCODERS

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"
LONGEST_METHOD = 40

METADATA = "Metadata-Version: 2.1\nName: dmrnet-gated\nVersion: 0.1\n"
SHORT = ["--max-epochs", "1", "--threads", "1", "--out"]
FIT = ["fit", "--data", "cancer", "--method", "gated", "--method.network.encoders.mean", "lowpass"]
CONTRACT = ["-q", "-p", "no:cacheprovider", "-k", "finite or hidden or lowers"]
FIT_AND_CONTRACT = f"""
import sys
import pytest
from dmrnet.cli import main

codes = [main({[*FIT, *SHORT, "run"]}), pytest.main({[*CONTRACT, "test_gated.py"]})]
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
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what an installation of the plugin leaves there."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(PLUGIN / "dmrnet_gated.py", folder)
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {path}" for name, path in points.items()))
    ]
    facts = folder / "dmrnet_gated-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(METADATA)
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def offered(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let this process find the plugin; return a folder to work in."""
    monkeypatch.syspath_prepend(str(site))
    for registry in (METHODS, ENCODERS):
        monkeypatch.setattr(registry, "_paths", dict(registry._paths))
        monkeypatch.setattr(registry, "_searched", False)
    shutil.copy(PLUGIN / "test_gated.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("dmrnet_gated", None)


def in_a_process(script: str, site: Path, folder: Path) -> str:
    for name in ("study.yaml", "test_gated.py"):
        shutil.copy(PLUGIN / name, folder)
    path = os.pathsep.join([str(PLUGIN.parents[1] / "src"), str(site)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_lists_it_with_its_summary_and_without_torch(site: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from dmrnet.cli import main; main(['fit', '--help']); "
        "sys.exit('torch' in sys.modules)"
    )
    said = in_a_process(code, site, tmp_path)
    assert re.search("^ *gated +mean of the visible modalities, weighed", said, re.M)


def test_it_is_fitted(offered: Path) -> None:
    assert main([*FIT, *SHORT, "run"]) == 0
    settings = (offered / "run" / "config.yaml").read_text()
    assert "name: gated" in settings
    assert "mean: lowpass" in settings


def test_it_keeps_the_contract(offered: Path) -> None:
    # The plugin left out collects the garbage of this whole process, several times.
    without = ["-p", "no:xdist", "-p", "no:unraisableexception"]
    assert pytest.main([*CONTRACT, *without, str(offered / "test_gated.py")]) == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the plugin offline; return the folder that has it."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("pip")
    shutil.copytree(PLUGIN, source)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", target, source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_an_installation_leaves_what_is_tested(installed: Path, site: Path) -> None:
    for name in ("dmrnet_gated.py", "dmrnet_gated-0.1.dist-info/entry_points.txt"):
        points = [sorted((folder / name).read_text().split()) for folder in (installed, site)]
        assert points[0] == points[1]


@pytest.mark.slow
def test_installed_it_is_fitted_and_keeps_the_contract(installed: Path, tmp_path: Path) -> None:
    in_a_process(FIT_AND_CONTRACT, installed, tmp_path)
    assert "name: gated" in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.slow
def test_installed_it_is_studied_and_reported(installed: Path, tmp_path: Path) -> None:
    in_a_process(STUDY, installed, tmp_path)
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
