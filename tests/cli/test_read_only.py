"""A folder that may not be written to: one line, and nothing that stands there is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import QUICK

SCRIPT = """
import contextlib, io, json, sys
from dmrnet.cli import main
told = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


def commands(several: list[list[str]]) -> list[tuple[int, str, str]]:
    """Run commands in a process to which permissions apply; return code, output and errors."""
    as_user = []
    if os.geteuid() == 0:
        # Root writes everywhere, unless it gives that up.
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv")
        as_user = ["setpriv", "--bounding-set=-dac_override"]
    done = subprocess.run(
        [*as_user, sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        input=json.dumps(several),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]


@pytest.fixture
def place(made: Path, finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A run that was evaluated and its data, where nobody may write."""
    shutil.copytree(finished, tmp_path / "run")
    shutil.copytree(made, tmp_path / "made")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield tmp_path
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_folder_that_may_not_be_written_to(place: Path) -> None:
    run, test = place / "run", place / "made" / "test.npz"
    data = ["--data", "arrays", "--data.train", str(place / "made" / "train.npz")]
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    # What is run, and the path that the error names.
    writing = [
        (["fit", *data, *QUICK, "--out", str(place / "new")], place / "new"),
        (["evaluate", str(run), "--test", str(test)], run),
        (
            ["predict", str(run), "--input", str(test), "--out", str(place / "p.csv")],
            place / "p.csv",
        ),
        (["data", "export", "mfeat", "--out", str(place / "x")], place / "x"),
        (["report", str(run), "--split", "val", "--out", str(place / "page")], place / "page"),
        (["quickstart", "--out", str(place / "quick")], place / "quick"),
    ]
    reading = ["predict", str(run), "--input", str(test)]
    *refused, shown = commands([*(words for words, _ in writing), reading])
    for (words, path), (code, _, err) in zip(writing, refused, strict=True):
        assert code == 2, words
        (line,) = (line for line in err.splitlines() if line.startswith("dmrnet: error: "))
        assert str(path) in line
        assert "Permission denied" in line
        assert "Traceback" not in err
    # What writes nothing works.
    assert shown[0] == 0, shown
    assert len(shown[1].splitlines()) == 31
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
