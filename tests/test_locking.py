"""A folder that one process uses: a second one waits or is refused, and no lock is left behind."""

from __future__ import annotations

import errno
import logging
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dmrnet.locking import LOCK, BusyError, holder_of, lock_folder

HOLD = (
    "import sys; from pathlib import Path; from dmrnet.locking import lock_folder\n"
    "with lock_folder(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that locks a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
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


def test_a_second_one_names_the_first_and_gets_the_folder_when_that_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "runs" / "one"
    got = threading.Event()

    def second() -> None:
        with lock_folder(folder):
            got.set()

    with another_process(folder) as process:
        with pytest.raises(BusyError, match=rf"one is in use by process {process.pid} on "):
            try_to_lock(folder, 0.2)
        assert str(holder_of(folder)).startswith(f"process {process.pid} on ")
        with caplog.at_level(logging.WARNING):
            thread = threading.Thread(target=second)
            thread.start()
            assert not got.wait(0.3)
            process.send_signal(signal.SIGKILL)
            assert got.wait(10)
            thread.join()
        assert f"waiting for process {process.pid} on" in caplog.text
    # The folder existed before the second one locked it, so it stays; the lock does not.
    assert list(folder.iterdir()) == []


def try_to_lock(folder: Path, timeout: float) -> None:
    with lock_folder(folder, timeout):
        pass


def test_a_thread_may_lock_twice_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with lock_folder(folder):
        assert (folder / LOCK).is_file()
        with lock_folder(folder, timeout=0):
            pass
        # The inner one unlocks nothing.
        assert (folder / LOCK).is_file()
        this_process = f"process {os.getpid()} on {platform.node()}"
        assert holder_seen_by_another_thread(folder) == this_process
    assert not folder.exists()
    with lock_folder(folder):
        (folder / "made").touch()
    assert [path.name for path in folder.iterdir()] == ["made"]


def holder_seen_by_another_thread(folder: Path) -> str | None:
    holders: list[str] = []

    def lock() -> None:
        try:
            try_to_lock(folder, 0)
        except BusyError as error:
            holders.append(error.holder)

    thread = threading.Thread(target=lock)
    thread.start()
    thread.join(10)
    return holders[0] if holders else None


def test_many_at_once_count_without_losing_one(tmp_path: Path) -> None:
    folder, number = tmp_path / "many", tmp_path / "number"
    number.write_text("0")

    def add() -> None:
        for _ in range(5):
            with lock_folder(folder):
                before = int(number.read_text())
                number.write_text(str(before + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert number.read_text() == "20"


def test_children_that_live_on_lock_nothing(tmp_path: Path) -> None:
    """A loader's processes are forked, and so inherit the open file of the lock."""
    read, write = os.pipe()
    with lock_folder(tmp_path):
        child = os.fork()
        if not child:
            os.read(read, 1)
            os._exit(0)
    try:
        with lock_folder(tmp_path, timeout=0):
            pass
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)


def test_where_nothing_may_be_written_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with lock_folder(tmp_path / "file" / "run"):
        pass
    with lock_folder(Path("/proc/none/of/it")):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr("fcntl.flock", flock)
    with lock_folder(tmp_path / "run"), lock_folder(tmp_path / "run", timeout=0):
        assert list((tmp_path / "run").iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_under_another_path_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with lock_folder(tmp_path / "real"), lock_folder(tmp_path / "link", timeout=0):
        assert (tmp_path / "real" / LOCK).is_file()
