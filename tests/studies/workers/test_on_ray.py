"""Runs as tasks of a local Ray cluster, one of them killed in the middle."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from dmrnet.engine.run.folder import RunFolder
from dmrnet.studies import Done, Epoch, Failed, Started
from dmrnet.studies.plan import plan
from dmrnet.studies.resolve import resolve
from dmrnet.studies.spec import Entry, Study

pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray itself, which its users cannot mend
def test_a_task_that_is_killed_goes_on_and_nothing_is_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmrnet.studies.workers.on_ray import run_on_ray

    # Ray makes its processes so nice that on a busy machine they would not get on.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    study = Study(
        "",
        (Entry("sf-md"), Entry("sf-md", settings={"lr": "-1"}), Entry("dmr")),
        seeds=(0,),
        settings={"max-epochs": "20", "method.network.width": "8"},
    )
    made = plan(study)
    runs = tmp_path / "runs"
    events, killed = [], False
    with closing(run_on_ray(made.jobs, runs, workers=1)) as stream:
        for event in stream:
            events.append(event)
            long_enough = isinstance(event.message, Epoch) and event.message.epoch >= 5
            if long_enough and not killed:
                killed = True
                os.kill(worker_of(), signal.SIGKILL)
    ended = Counter(e.job for e in events if isinstance(e.message, Done | Failed))
    assert ended == {0: 1, 1: 1, 2: 1}
    done = {e.job for e in events if isinstance(e.message, Done)}
    (failed,) = (e.message for e in events if isinstance(e.message, Failed))
    assert done == {0, 2}
    assert failed.settings
    assert "expected lr above 0" in failed.error
    # The killed run began twice, and the second time where the first had come to.
    starts = Counter(e.job for e in events if isinstance(e.message, Started))
    assert starts == {0: 2, 2: 1}
    assert killed
    first = plan(Study("", study.methods[:1], seeds=(0,), settings=study.settings))
    (member,) = resolve(first, runs)
    assert member.finished
    # Every epoch stands there once, whoever ran it.
    assert len(RunFolder(member.folder).losses()) == 20
    rows = [
        (row["split"], row["combination"], row["metric"]) for row in RunFolder(member.folder).rows()
    ]
    assert len(rows) == len(set(rows))


def worker_of() -> int:
    """The process that Ray has named after the task."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            called = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if called.startswith(b"ray::make_task"):
            return int(place.name)
    raise AssertionError("no task of Ray is at work")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dmrnet.studies.workers.on_ray import run_on_ray

    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"dmrnet\[ray\]"):
        next(run_on_ray(plan(Study("", (Entry("sf-md"),))).jobs, tmp_path, 1))
