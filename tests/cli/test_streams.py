"""Streams that end early, are closed, or cannot write a name: no result is lost for it."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dmrnet.cli import main
from dmrnet.cli.failures import unread
from dmrnet.engine.run.folder import RunFolder

from .conftest import QUICK

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

COMMAND = f"{shlex.quote(sys.executable)} -m dmrnet"
ENDED = "import sys; sys.stdin.close()"
"""A reader that is gone before anything is written."""


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["", "2>&1"])
def test_a_training_outlives_its_reader(
    data_flags: list[str], tmp_path: Path, streams: str
) -> None:
    words = shlex.join(["fit", *data_flags, *QUICK, "--out", str(tmp_path / "run")])
    ended = shell(f"{COMMAND} {words} {streams} | {shlex.quote(sys.executable)} -c '{ENDED}'")
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    folder = RunFolder(tmp_path / "run")
    assert folder.trained
    assert folder.rows()


@pytest.mark.parametrize("names", [("stdout",), ("stdout", "stderr")])
def test_a_training_outlives_its_reader_in_this_process(
    data_flags: list[str], tmp_path: Path, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both streams lead to a pipe without a reader, and the run is whole all the same."""
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patched, os.fdopen(writing, "w") as stream:
        for name in names:
            patched.setattr(sys, name, stream)
        assert main(["fit", *data_flags, *QUICK, "--out", str(tmp_path / "run")]) == 0
    folder = RunFolder(tmp_path / "run")
    assert folder.trained
    assert folder.rows()


def test_a_list_that_nobody_reads_to_its_end_is_no_error() -> None:
    ended = shell(f"{COMMAND} --help | {shlex.quote(sys.executable)} -c '{ENDED}'")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="pipes cannot be asked there")
def test_a_pipe_is_unread_once_its_reader_is_gone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        assert not unread(stream)
        os.close(reading)
        assert unread(stream)
    with (tmp_path / "file").open("w") as stream:
        assert not unread(stream)


@pytest.mark.parametrize("debug", [(), pytest.param(("--debug",), marks=pytest.mark.slow)])
def test_an_error_outlives_its_reader(debug: tuple[str, ...]) -> None:
    words = shlex.join(["fit", "--max-epoch", "3", *debug])
    reader = f"{shlex.quote(sys.executable)} -c '{ENDED}'"
    # What went wrong cannot be told, yet the exit code is that of what went wrong.
    assert shell(f"{COMMAND} {words} 2>&1 >/dev/null | {reader}").returncode == 2


@pytest.mark.parametrize(
    "closed",
    [
        *(pytest.param(each, marks=pytest.mark.slow) for each in (">&-", "2>&-", ">&- 2>&-")),
        "<&- >&- 2>&-",
    ],
)
def test_a_closed_stream_is_no_error(closed: str) -> None:
    for words, code in (("--version", 0), ("--versoin", 2), ("", 2)):
        ended = shell(f"{COMMAND} {words} {closed}")
        reported = code and "2" not in closed
        assert (ended.returncode, bool(ended.stderr)) == (code, reported), (words, ended.stderr)


def test_names_that_are_not_unicode_are_written_as_they_are(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    with np.load(made / "test.npz") as archive:
        arrays = dict(archive)
    names = [f"{row}.png" for row in range(30)]
    names[3] = os.fsdecode(b"br\xe9.png")
    np.savez(tmp_path / "named.npz", **{**arrays, "samples": np.array(names)})
    shown = cli("predict", finished, "--input", tmp_path / "named.npz")
    assert [row["sample"] for row in csv.DictReader(shown.out.splitlines())][2:5] == [
        "2.png",
        "br\\xe9.png",
        "4.png",
    ]
    cli("predict", finished, "--input", tmp_path / "named.npz", "--out", tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_bytes().splitlines()[4].startswith(b"br\xe9.png,")
