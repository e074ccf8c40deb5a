"""A release is built, passes the index's checks, and works where the sources are not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import dmrnet

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def ran(*words: str | Path, cwd: Path) -> str:
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=outside, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source archive, and the wheel that is built from it."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def test_both_files_pass_the_checks_of_the_index(dist: Path) -> None:
    pytest.importorskip("twine")
    files = sorted(dist.iterdir())
    names = [f"dmrnet-{dmrnet.__version__}{kind}" for kind in ("-py3-none-any.whl", ".tar.gz")]
    assert [file.name for file in files] == names
    said = ran(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=dist)
    assert said.count("PASSED") == 2


def test_the_readmes_lines_run_from_the_wheel(dist: Path, tmp_path: Path) -> None:
    """In an environment with the wheel; what it depends on is that of this one."""
    (wheel,) = dist.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env" / "lib").glob("*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel]
    ran(*install, cwd=tmp_path)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"## Ten lines of Python\n\n```python\n(.*?)```", text, re.DOTALL)
    where = "import dmrnet\nprint(dmrnet.__file__)\n"
    said = ran(python, "-c", where + lines, cwd=tmp_path)
    assert said.startswith(str(site))
    assert "camera+radar" in said
    assert (
        ran(site.parents[2] / "bin" / "dmrnet", "--version", cwd=tmp_path)
        .strip()
        .endswith(dmrnet.__version__)
    )
