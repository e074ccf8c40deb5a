"""A study whose run, driver or disk dies: nothing finished is lost, nothing is counted twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dmrnet.engine.run.folder import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc"),
]
Rows = dict[str, list[dict[str, object]]]
SOURCES = Path(__file__).parents[2] / "src"


class Killing:
    """Starts the same study into folders of its own."""

    def __init__(self, folder: Path, data_flags: Sequence[str]) -> None:
        path = folder / "two.yaml"
        path.write_text("methods: [sf-md]\nseeds: 2\n")
        self.words = ["study", str(path), *data_flags, "--workers", "1", "--max-epochs", "60"]
        self.words += ["--method.network.width", "8"]

    def start(self, out: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dmrnet", *self.words, "--out", str(out)],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=before,
        )

    def end(self, study: subprocess.Popen[str]) -> str:
        said, _ = study.communicate(timeout=300)
        return said

    def whole(self, out: Path) -> str:
        """Run it to its end."""
        study = self.start(out)
        said = self.end(study)
        assert study.returncode == 0, said
        return said


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory, data_flags: Sequence[str]) -> Killing:
    return Killing(tmp_path_factory.mktemp("killing"), data_flags)


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory, killing: Killing) -> Rows:
    """The rows of a study that nothing happened to."""
    out = tmp_path_factory.mktemp("unharmed")
    killing.whole(out)
    found = rows_of(out)
    assert len(found) == 2
    return found


def rows_of(out: Path) -> Rows:
    return {
        run.name: [
            row
            for row in RunFolder(run).rows()
            if row["metric"] not in ("train_seconds", "train_cpu_seconds")
        ]
        for run in (out / "runs").iterdir()
    }


def in_the_middle(out: Path, seed: int) -> None:
    """Wait until the run of a seed has trained some epochs."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        for path in (out / "runs").glob(f"*-seed{seed}-*/metrics.csv"):
            if len(RunFolder(path.parent).losses()) >= 5:
                return
        time.sleep(0.01)
    raise AssertionError("the run never began")


def children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in lists for word in path.read_text().split()]


def test_a_run_that_is_killed_is_told_and_finished_by_the_same_command(
    tmp_path: Path, killing: Killing, unharmed: Rows
) -> None:
    study = killing.start(tmp_path)
    in_the_middle(tmp_path, seed=0)
    (worker,) = children(study.pid)
    os.kill(worker, signal.SIGKILL)
    said = killing.end(study)
    assert study.returncode == 1
    assert "sf-md seed 0: its process was killed by signal 9" in said
    # The other one was made all the same, and reported.
    assert "1 of 2 runs failed" in said
    assert "page: " in said
    again = killing.whole(tmp_path)
    assert "2 runs, 1 of them finished" in again
    assert rows_of(tmp_path) == unharmed


def test_a_driver_that_is_killed_goes_on(tmp_path: Path, killing: Killing, unharmed: Rows) -> None:
    study = killing.start(tmp_path)
    in_the_middle(tmp_path, seed=1)
    (worker,) = children(study.pid)
    study.kill()
    killing.end(study)
    until = time.monotonic() + 60
    while Path(f"/proc/{worker}").is_dir() and time.monotonic() < until:
        time.sleep(0.05)
    done = (
        tmp_path / "runs" / next(name for name in unharmed if "-seed0-" in name) / "results.jsonl"
    )
    before = done.stat().st_mtime_ns
    again = killing.whole(tmp_path)
    assert "2 runs, 1 of them finished" in again
    assert done.stat().st_mtime_ns == before
    assert rows_of(tmp_path) == unharmed


def test_two_drivers_in_one_folder_share_its_runs(
    tmp_path: Path, killing: Killing, unharmed: Rows
) -> None:
    first, second = killing.start(tmp_path), killing.start(tmp_path)
    said = [killing.end(study) for study in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert all("page: " in one for one in said)
    assert rows_of(tmp_path) == unharmed
    for run in (tmp_path / "runs").iterdir():
        # Every epoch stands there once, and no lock is left.
        assert len(RunFolder(run).losses()) == 60
        assert not list(run.glob(".*"))


def test_a_full_disk_fails_the_runs_and_there_is_room_again(
    tmp_path: Path, killing: Killing, unharmed: Rows
) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    study = killing.start(tmp_path, small)
    said = killing.end(study)
    assert study.returncode == 1, said
    assert "2 of 2 runs failed" in said
    assert "File too large" in said
    assert "Traceback" not in said
    killing.whole(tmp_path)
    assert rows_of(tmp_path) == unharmed
