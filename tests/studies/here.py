"""Makes the runs of a study in this process: no worker has to import anything."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from dmrnet.engine.fit import UnfitError
from dmrnet.settings.config import parse_run
from dmrnet.studies import Event, Failed, Job, Ready
from dmrnet.studies.workers.events import Message
from dmrnet.studies.workers.run import make_run


def run_here(
    jobs: Sequence[Job], runs: Path, *_: object, **__: object
) -> Generator[Event, None, None]:
    """As `dmrnet.studies.run_jobs`."""
    yield Event(None, 0, Ready(0.0))
    for number, job in enumerate(jobs):
        messages: list[Message] = []
        try:
            make_run(parse_run(job.argv), runs, messages.append, job.test)
        except (ValueError, OSError) as error:
            messages.append(
                Failed(" ".join(str(error).split()), unfit=isinstance(error, UnfitError))
            )
        yield from (Event(number, 0, message) for message in messages)
