"""Worker processes: every job ends once, a death is reported, no process outlives its study."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from dmrnet.studies import Busy, Done, Epoch, Event, Failed, Job, Ready, Started, run_jobs

HERE = Path(__file__).parent


def jobs(*what: str) -> list[Job]:
    return [Job(f"{word} {n}", (word, f"run-{n}")) for n, word in enumerate(what)]


def events_of(what: list[Job], tmp_path: Path, program: str, workers: int = 2) -> list[Event]:
    return list(run_jobs(what, tmp_path / "runs", workers, tmp_path / "logs", program))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that has ended but was not waited for is still there by name.
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()


def gone(pid: int, within: float = 60.0) -> bool:
    until = time.monotonic() + within
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def pid_of(tmp_path: Path, run: str, within: float = 60.0) -> int:
    path, until = tmp_path / "runs" / run / "pid", time.monotonic() + within
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < until, f"{run} never began"
        time.sleep(0.05)
    return int(path.read_text())


def test_every_job_ends_once_and_workers_are_kept(tmp_path: Path, program: str) -> None:
    events = events_of(jobs(*7 * ["ok"]), tmp_path, program)
    done = [event.job for event in events if isinstance(event.message, Done)]
    assert sorted(done) == list(range(7))
    assert sum(isinstance(event.message, Ready) for event in events) == 2
    pids = {(tmp_path / "runs" / f"run-{n}" / "pid").read_text() for n in range(7)}
    assert len(pids) <= 2


def test_what_another_process_makes_is_asked_for_again_behind_the_others(
    tmp_path: Path, program: str
) -> None:
    events = events_of(jobs("held", "ok"), tmp_path, program, workers=1)
    ended = [(e.job, type(e.message)) for e in events if isinstance(e.message, Done | Busy)]
    assert ended == [(0, Busy), (1, Done), (0, Done)]


def test_workers_have_their_threads_and_gpus_and_no_launcher(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("WORLD_SIZE", "4")
    what = jobs("environment", "environment", "environment")
    list(
        run_jobs(
            *(what, tmp_path / "runs", 3, tmp_path / "logs", program), threads=2, gpus=("0", "7")
        )
    )
    seen = [(tmp_path / "runs" / f"run-{n}" / "environment").read_text().split() for n in range(3)]
    assert {words[0] for words in seen} == {"OMP_NUM_THREADS=2"}
    # A worker may have made several, so each GPU is one of those given.
    assert {words[1] for words in seen} <= {"CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=7"}
    assert all(len(words) == 2 for words in seen)


def test_the_messages_of_a_job_come_in_order(tmp_path: Path, program: str) -> None:
    events = events_of(jobs("ok", "ok", "ok"), tmp_path, program)
    for job in range(3):
        kinds = [type(e.message) for e in events if e.job == job and type(e.message) is not Ready]
        assert kinds == [Started, Epoch, Done]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("fail", "this run cannot be"),
        ("bug", "ZeroDivisionError"),
        ("die", "killed by signal 9"),
        ("leave", "ended with exit code 7"),
    ],
)
def test_a_run_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, program: str, what: str, said: str
) -> None:
    events = events_of(jobs("ok", what, "ok", "ok"), tmp_path, program)
    failed = [e.message for e in events if isinstance(e.message, Failed)]
    assert len(failed) == 1
    assert said in failed[0].error
    assert "\n" not in failed[0].error
    assert not failed[0].settings
    ended = Counter(e.job for e in events if isinstance(e.message, (Done, Failed)))
    assert ended == {0: 1, 1: 1, 2: 1, 3: 1}


def test_settings_that_cannot_be_read_are_told_apart(tmp_path: Path, program: str) -> None:
    events = events_of(jobs("misspelt"), tmp_path, program)
    assert Failed("unknown setting --ephocs", settings=True) in [e.message for e in events]


def test_what_a_library_prints_and_tracebacks_go_to_the_log(tmp_path: Path, program: str) -> None:
    events_of(jobs("fail"), tmp_path, program)
    log = (tmp_path / "logs" / "worker-0.log").read_text()
    assert "a library that prints" in log
    assert "Traceback" in log
    assert 'raise ValueError("this run' in log


def test_a_worker_that_never_starts_fails_each_job(tmp_path: Path) -> None:
    events = events_of(jobs("ok", "ok"), tmp_path, "no_such_module_anywhere", workers=1)
    assert [type(event.message) for event in events] == [Failed, Failed]
    assert "No module named" in (tmp_path / "logs" / "worker-0.log").read_text()


def test_closing_early_ends_the_workers(tmp_path: Path, program: str) -> None:
    study = run_jobs(jobs("sleep", "sleep"), tmp_path / "runs", 2, tmp_path / "logs", program)
    with closing(study) as events:
        begun = sum(isinstance(event.message, Started) for event in (next(events), next(events)))
        assert begun <= 2
        pids = [pid_of(tmp_path, "run-0"), pid_of(tmp_path, "run-1")]
        assert all(alive(pid) for pid in pids)
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_study_that_is_killed(tmp_path: Path, number: int) -> None:
    script = f"""
import signal, sys; sys.path[:] = {[*sys.path, str(HERE)]!r}
# A shell starts what it puts in the background deaf to Ctrl-C, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from dmrnet.studies import Job, run_jobs
jobs = [Job(str(n), ("sleep", f"run-{{n}}")) for n in range(4)]
for event in run_jobs(jobs, Path("runs"), 2, Path("logs"), "pretend_worker"):
    pass
"""
    study = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE)
    pids = [pid_of(tmp_path, "run-0"), pid_of(tmp_path, "run-1")]
    study.send_signal(number)
    study.communicate(timeout=60)
    assert study.returncode != 0
    assert all(gone(pid) for pid in pids)
