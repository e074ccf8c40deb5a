"""A folder in the hands of one process: who comes second waits or is told, and nothing is left."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dmrnet.alone import LOCK, POSSIBLE, BusyError, alone

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="the platform has no such locks")
HOLD = (
    "import sys; from pathlib import Path; from dmrnet.alone import alone\n"
    "with alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@contextmanager
def another(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.stdin.close()


def test_the_second_is_told_who_has_it_and_gets_it_when_that_one_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "runs" / "one"
    got = threading.Event()

    def second() -> None:
        with alone(place):
            got.set()

    with another(place) as process:
        with pytest.raises(BusyError, match=rf"one is in the hands of process {process.pid} on "):
            next(iter_alone(place, 0.2))
        with caplog.at_level(logging.WARNING):
            thread = threading.Thread(target=second)
            thread.start()
            assert not got.wait(0.3)
            process.send_signal(signal.SIGKILL)
            assert got.wait(10)
            thread.join()
        assert f"waiting for process {process.pid} on" in caplog.text
    # The folder was there before the second came; its lock is not.
    assert list(place.iterdir()) == []


def iter_alone(place: Path, patience: float) -> Iterator[None]:
    with alone(place, patience):
        yield


def test_a_thread_may_have_it_twice_and_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with alone(place):
        assert (place / LOCK).is_file()
        with alone(place, patience=0):
            pass
        # The inner one lets nothing go.
        assert (place / LOCK).is_file()
        with another_thread_is_kept_out(place):
            pass
    assert not place.exists()
    with alone(place):
        (place / "made").touch()
    assert [path.name for path in place.iterdir()] == ["made"]


@contextmanager
def another_thread_is_kept_out(place: Path) -> Iterator[None]:
    said: list[str] = []

    def ask() -> None:
        try:
            next(iter_alone(place, 0))
        except BusyError as error:
            said.append(error.who)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert said == [f"process {os.getpid()} on {os.uname().nodename}"]
    yield


def test_many_at_once_count_without_losing_one(tmp_path: Path) -> None:
    place, number = tmp_path / "many", tmp_path / "number"
    number.write_text("0")

    def add() -> None:
        for _ in range(5):
            with alone(place):
                before = int(number.read_text())
                number.write_text(str(before + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert number.read_text() == "20"


def test_children_that_live_on_hold_nothing(tmp_path: Path) -> None:
    """A loader's processes are forked, and have the lock's file, too."""
    read, write = os.pipe()
    with alone(tmp_path):
        child = os.fork()
        if not child:
            os.read(read, 1)
            os._exit(0)
    try:
        with alone(tmp_path, patience=0):
            pass
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)


def test_where_nothing_may_be_written_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with alone(tmp_path / "file" / "run"):
        pass
    with alone(Path("/proc/none/of/it")):
        pass


def test_a_folder_by_another_path_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with alone(tmp_path / "real"), alone(tmp_path / "link", patience=0):
        assert (tmp_path / "real" / LOCK).is_file()
