"""A worker process: imports what training needs once, then makes run after run.

It reads jobs from its standard input and writes messages to its standard output. When its input
ends it ends at once, whatever it does: so no worker outlives its study, however that one died.
What it was writing is whole or not there (`dmrnet.storage`), and a run that it leaves
unfinished goes on from its last checkpoint.
"""

from __future__ import annotations

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
from typing import TextIO

from dmrnet.engine.training.memory import hand_back
from dmrnet.studies.workers.events import Failed, Message, Ready, write

Tell = Callable[[Message], None]
Make = Callable[[Sequence[str], Path, bool, Tell], None]
"""Makes one run, from its flags, into a folder of runs, tested or not; tells what happens, `Done`
or `Held` last."""


class SettingsError(ValueError):
    """The flags of a run cannot be read."""


def main() -> None:
    """Serve a study with real runs."""
    serve(load)


def load() -> Make:
    """Import what training needs."""
    import torch

    from dmrnet.engine.fit import UnfitError
    from dmrnet.settings.config import parse_run
    from dmrnet.studies.workers.run import make_run

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def make(argv: Sequence[str], runs: Path, test: bool, tell: Tell) -> None:
        try:
            settings = parse_run(argv)
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise SettingsError(" ".join(str(error).split())) from error
        try:
            make_run(settings, runs, tell, test)
        except UnfitError as error:
            tell(Failed(" ".join(str(error).split()), unfit=True))

    return make


def serve(load: Callable[[], Make]) -> None:
    """Make runs until the input ends.

    Args:
        load: Called once; what it imports may take its time, since the input is watched by then.
    """
    begun = time.perf_counter()
    # Ctrl-C reaches every process of a terminal; the study decides for its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # What a library prints must not get between the messages.
    os.dup2(2, 1)
    warnings.showwarning = _one_line
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()

    def tell(message: Message) -> None:
        channel.write(write(message))

    make = load()
    tell(Ready(time.perf_counter() - begun))
    while True:
        job = json.loads(jobs.get())
        try:
            make(job["argv"], Path(job["runs"]), job["test"], tell)
        except Exception as error:  # whatever it is, the other runs go on
            traceback.print_exception(error)
            tell(Failed(one_line_of(error), isinstance(error, SettingsError)))
        hand_back()


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def one_line_of(error: Exception) -> str:
    """Return an error as one line, with its kind where it is none of the user's making."""
    text = " ".join(str(error).split())
    mendable = isinstance(error, (ValueError, OSError)) and text
    return text if mendable else f"{type(error).__name__}: {text}".removesuffix(": ")


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")
