"""A worker that makes no real runs: the first flag of a job says what happens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from dmrnet.studies.workers.events import Busy, Done, Epoch, Started
from dmrnet.studies.workers.worker import MakeRun, SendMessage, SettingsError, serve


def main() -> None:
    serve(load)


def load() -> MakeRun:
    return make


def make(argv: Sequence[str], runs: Path, test: bool, report: SendMessage) -> None:
    what, name = argv[0], argv[-1]
    folder = runs / name
    report(Started(str(folder)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pid").write_text(str(os.getpid()))
    print("a library that prints")  # noqa: T201
    if what == "environment":
        names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SLURM_NTASKS", "WORLD_SIZE")
        seen = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
        (folder / "environment").write_text(" ".join(seen))
        time.sleep(0.2)  # so that the other workers have one, too
    if what == "fail":
        raise ValueError("this run\ncannot be")
    if what == "bug":
        raise ZeroDivisionError
    if what == "misspelt":
        raise SettingsError("unknown setting --ephocs")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leave":
        os._exit(7)
    if what == "held" and not (folder / "asked").exists():
        (folder / "asked").touch()
        report(Busy("process 1 on another"))
        return
    if what == "sleep":
        time.sleep(600)  # longer than any test waits for its end
    report(Epoch(1, 1, 0.5, None))
    report(Done(str(folder), True, {"train": 0.0}, 0.9, True))
