"""A disk that is full: one line, nothing computed is lost, and the same command goes on."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dmrnet.data.dataset import fingerprint_of_file
from dmrnet.engine.run.folder import RunFolder

from .conftest import QUICK

if TYPE_CHECKING:
    from .conftest import Cli


def fill(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the disk be full after a number of files."""
    real, left = os.fsync, [after]

    def full(handle: int) -> None:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        real(handle)

    monkeypatch.setattr(os, "fsync", full)


def told_in_one_line(err: str) -> None:
    lines = [line for line in err.splitlines() if line.startswith("dmrnet: error: ")]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]
    assert "Traceback" not in err


@pytest.mark.parametrize("files", [0, 1, 3, 5, 7])
def test_fit_goes_on_when_there_is_room_again(
    cli: Cli,
    data_flags: list[str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: int,
) -> None:
    command = ["fit", *data_flags, *QUICK, "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patched:
        fill(patched, files)
        result = cli(*command)
    assert result.code in (1, 2)
    told_in_one_line(result.err)
    assert cli(*command).code == 0
    rows = [
        [
            row
            for row in RunFolder(run).rows()
            if row["metric"] not in ("train_seconds", "train_cpu_seconds")
        ]
        for run in (tmp_path / "run", finished)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", ["p.csv", "p.npz"])
def test_predict_leaves_what_was_there(
    cli: Cli,
    made: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    out = tmp_path / name
    command = ["predict", str(finished), "--input", str(made / "test.npz"), "--out", str(out)]
    assert cli(*command).code == 0
    before = out.read_bytes()
    with monkeypatch.context() as patched:
        fill(patched, 0)
        result = cli(*command, "--overwrite")
    assert result.code in (1, 2)
    told_in_one_line(result.err)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("files", [0, 1, 2])
def test_evaluate_leaves_rows_predictions_and_facts_of_one_evaluation(
    cli: Cli,
    made: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: int,
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    assert cli("evaluate", run).code == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with monkeypatch.context() as patched:
        fill(patched, files)
        result = cli("evaluate", run, "--test", made / "val.npz")
    assert result.code in (1, 2)
    told_in_one_line(result.err)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_predictions_of_another_evaluation_are_known(
    cli: Cli, made: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the renames of two files that belong together."""
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    folder, real = RunFolder(run), Path.replace

    def alike() -> bool:
        known = folder.read_facts()["evaluated"]
        return known["predictions.npz"] == fingerprint_of_file(folder.predictions)

    assert cli("evaluate", run).code == 0
    assert alike()

    def die(path: Path, to: Path) -> Path:
        if to.name == "results.jsonl":
            raise KeyboardInterrupt
        return real(path, to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", die)
        assert cli("evaluate", run, "--test", made / "val.npz").code == 130
    assert not alike()
    assert cli("evaluate", run, "--test", made / "val.npz").code == 0
    assert alike()
