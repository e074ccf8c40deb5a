"""A worker process: imports what training needs once, then makes run after run.

It reads jobs from its standard input and writes messages to its standard output. When its input
ends it ends at once, whatever it does: so no worker outlives its study, however that one died.
What it was writing is whole or not there (`dmrnet.engine.folder`), and a run that it leaves
unfinished goes on after its last finished epoch.
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
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from dmrnet.studies.events import Failed, Message, Ready, write


def main() -> None:
    """Serve until the input ends."""
    begun = time.perf_counter()
    # Ctrl-C reaches every process of a terminal; the study decides for its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # What a library prints must not get between the messages.
    os.dup2(2, 1)
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()

    def tell(message: Message) -> None:
        channel.write(write(message))

    import torch

    torch.set_num_threads(1)
    # What follows needs some seconds, so that it comes after the listener.
    from dmrnet.engine.config import parse_run
    from dmrnet.studies.run import make_run

    warnings.showwarning = _one_line
    tell(Ready(time.perf_counter() - begun))
    while True:
        job = json.loads(jobs.get())
        try:
            settings = parse_run(job["argv"])
        except Exception as error:
            _fail(error, tell, settings=True)
            continue
        try:
            make_run(settings, Path(job["runs"]), tell)
        except Exception as error:
            _fail(error, tell)


def _listen(jobs: queue.Queue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _fail(error: Exception, tell: Callable[[Message], None], settings: bool = False) -> None:
    traceback.print_exception(error)
    text = " ".join(str(error).split())
    kind = "" if isinstance(error, (ValueError, OSError)) and text else type(error).__name__
    tell(Failed(": ".join(part for part in (kind, text) if part), settings))


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")


if __name__ == "__main__":
    main()
