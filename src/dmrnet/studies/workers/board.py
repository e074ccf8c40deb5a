"""Where a study stands: what each worker does, what is done, what has failed, how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dmrnet.studies.workers.events import Done, Epoch, Event, Failed, Held, Ready, Started
from dmrnet.studies.workers.job import Job


@dataclass
class Current:
    """What a worker does.

    Attributes:
        job: Number of its job.
        since: When that began.
        epoch: Its last finished epoch, None before.
        first: Epochs that were finished before this study took the run up.
    """

    job: int
    since: float
    epoch: Epoch | None = None
    first: int = 0

    @property
    def share(self) -> float:
        """Share of the job that was done here."""
        if self.epoch is None:
            return 0.0
        return (self.epoch.epoch - self.first) / self.epoch.epochs

    @property
    def left(self) -> float:
        """Share of the job that is still to do."""
        return 1.0 if self.epoch is None else 1 - self.epoch.epoch / self.epoch.epochs


@dataclass
class Board:
    """Adds up events.

    Attributes:
        jobs: Of the study.
        workers: How many work at the same time.
        done: Finished jobs.
        failed: Failed jobs.
        held: Jobs that another process makes.
        current: What each worker does.
        seconds: Spent by all workers together, by stage.
        ready: Workers that have started.
    """

    jobs: Sequence[Job]
    workers: int
    done: dict[int, Done] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    current: dict[int, Current] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    ready: set[int] = field(default_factory=set)
    _spent: float = 0.0
    _share: float = 0.0

    def take(self, event: Event, now: float) -> None:
        """Take an event in.

        Args:
            event: What happened.
            now: Seconds on any clock that only goes forward.
        """
        message = event.message
        if isinstance(message, Ready):
            self.ready.add(event.worker)
            self._add("start", message.seconds)
        elif isinstance(message, Started):
            assert event.job is not None
            self.current[event.worker] = Current(event.job, now)
        elif isinstance(message, Epoch):
            current = self.current[event.worker]
            if current.epoch is None:
                current.first = message.epoch - 1
            current.epoch = message
        elif isinstance(message, Held):
            assert event.job is not None
            self.current.pop(event.worker, None)
            self.held.add(event.job)
        else:
            self._end(event, message, now)

    def _end(self, event: Event, message: Done | Failed, now: float) -> None:
        assert event.job is not None
        current = self.current.pop(event.worker, None)
        self.held.discard(event.job)
        if isinstance(message, Failed):
            self.failed[event.job] = message
            return
        self.done[event.job] = message
        for stage, seconds in message.seconds.items():
            self._add(stage, seconds)
        if message.fresh and current is not None and current.share:
            self._spent += now - current.since
            self._share += current.share

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @property
    def unfit(self) -> dict[int, Failed]:
        """Jobs whose method cannot be had for their data."""
        return {job: failed for job, failed in self.failed.items() if failed.unfit}

    @property
    def broken(self) -> dict[int, Failed]:
        """Jobs that failed for any other reason."""
        return {job: failed for job, failed in self.failed.items() if not failed.unfit}

    @property
    def ended(self) -> int:
        """Jobs that are done or have failed."""
        return len(self.done) + len(self.failed)

    @property
    def runs(self) -> list[str]:
        """Folders of the finished runs, in the order of the jobs."""
        return [self.done[job].run for job in sorted(self.done)]

    def left(self, now: float) -> float | None:
        """Return about how many seconds are left; None where nothing tells yet.

        What was done so far took so long a job; what is left is taken to be alike, and shared out.
        """
        spent, share = self._spent, self._share
        rest = float(len(self.jobs) - self.ended - len(self.current))
        for current in list(self.current.values()):
            rest += current.left
            if current.share:
                spent += now - current.since
                share += current.share
        if share < 0.02:
            return None
        busy = max(1, min(self.workers, len(self.jobs) - self.ended))
        return rest * spent / share / busy
