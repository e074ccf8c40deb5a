"""A folder that may not be written to: one line, and nothing that stands there is lost."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import QUICK

if TYPE_CHECKING:
    from .conftest import Cli

VERSION, OVERRIDE = 0x20080522, 1 << 1
"""Of Linux's capabilities: the version of the structures, and the one to write everywhere."""


@contextmanager
def permissions_apply() -> Iterator[None]:
    """Let root, who may write everywhere, give that up for a while."""
    if os.geteuid() != 0:
        yield
        return
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    library = ctypes.CDLL(None)
    if not hasattr(library, "capset") or library.capget(header, sets):
        pytest.skip("root, and no capabilities to give up")
    effective = sets[0]
    sets[0] = effective & ~OVERRIDE
    assert library.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert library.capset(header, sets) == 0


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


@pytest.mark.slow
def test_a_folder_that_may_not_be_written_to(place: Path, cli: Cli) -> None:
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
    with permissions_apply():
        *refused, shown = [cli(*words) for words in (*(words for words, _ in writing), reading)]
    for (words, path), said in zip(writing, refused, strict=True):
        assert said.code == 2, words
        (line,) = (line for line in said.err.splitlines() if line.startswith("dmrnet: error: "))
        assert str(path) in line
        assert "Permission denied" in line
        assert "Traceback" not in said.err
    # What writes nothing works.
    assert shown.code == 0, shown
    assert len(shown.out.splitlines()) == 31
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
