"""Worker process: imports once what training needs, then makes one run after another.

It reads jobs from standard input and writes messages to standard output. When its input ends it
exits at once, so no worker outlives its study, however the study died. Files are written whole or
not at all (`dmrnet.storage`), and an unfinished run resumes from its last checkpoint.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from dmrnet.engine.training.memory import hand_back
from dmrnet.lazy import collection_paused
from dmrnet.studies.workers.events import Failed, Message, Ready, write

SendMessage = Callable[[Message], None]
MakeRun = Callable[[Sequence[str], Path, bool, SendMessage], None]
"""Makes a run from its flags, the folder of runs, whether to test, and a callback for messages."""


class SettingsError(ValueError):
    """The flags of a run cannot be read."""


def main() -> None:
    """Make the runs of a study until the input ends."""
    serve(load)


def load() -> MakeRun:
    """Import what training needs, and return the function that makes a run."""
    import torch

    from dmrnet.engine.fit import UnfitError
    from dmrnet.settings.config import parse_run
    from dmrnet.studies.workers.run import make_run

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def make(argv: Sequence[str], runs: Path, test: bool, report: SendMessage) -> None:
        try:
            settings = parse_run(argv)
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise SettingsError(" ".join(str(error).split())) from error
        try:
            make_run(settings, runs, report, test)
        except UnfitError as error:
            report(Failed(" ".join(str(error).split()), unfit=True))

    return make


def serve(load: Callable[[], MakeRun]) -> None:
    """Make runs until the input ends; `load` may import slowly, since the input is watched."""
    start = time.perf_counter()
    # Ctrl-C reaches every process of a terminal, but the study stops its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # Output of libraries must not mix with the messages.
    os.dup2(2, 1)
    warnings.showwarning = _one_line
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()

    def report(message: Message) -> None:
        channel.write(write(message))

    with collection_paused():
        make = load()
    # What was imported stays; `hand_back` need not go through it after every run.
    gc.freeze()
    report(Ready(time.perf_counter() - start))
    while True:
        job = json.loads(jobs.get())
        try:
            make(job["argv"], Path(job["runs"]), job["test"], report)
        except Exception as error:  # the other runs continue
            traceback.print_exception(error)
            report(Failed(one_line_of(error), isinstance(error, SettingsError)))
        hand_back()


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def one_line_of(error: Exception) -> str:
    """Return an error in one line, with its type if it is not a user error."""
    text = " ".join(str(error).split())
    mendable = isinstance(error, (ValueError, OSError)) and text
    return text if mendable else f"{type(error).__name__}: {text}".removesuffix(": ")


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")
