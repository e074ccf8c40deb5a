"""State of a study: current, finished and failed jobs, and the time left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dmrnet.studies.workers.events import Busy, Done, Epoch, Event, Failed, Job, Ready, Started


@dataclass
class Current:
    """Current job of a worker, its start time, and its last finished epoch."""

    job: int
    since: float
    epoch: Epoch | None = None
    first: int = 0
    """Number of epochs finished before this study resumed the run."""

    @property
    def share(self) -> float:
        """Share of the job that this study has done."""
        if self.epoch is None:
            return 0.0
        return (self.epoch.epoch - self.first) / self.epoch.epochs

    @property
    def left(self) -> float:
        """Share of the job that remains."""
        return 1.0 if self.epoch is None else 1 - self.epoch.epoch / self.epoch.epochs


@dataclass
class Board:
    """State of a study, updated by events.

    Attributes:
        jobs: Jobs of the study.
        workers: Number of workers.
        done: Finished jobs.
        failed: Failed jobs.
        busy: Jobs that another process is making.
        current: Current job of each worker.
        seconds: Seconds of all workers together, by stage.
        ready: Workers that have started.
    """

    jobs: Sequence[Job]
    workers: int
    done: dict[int, Done] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    current: dict[int, Current] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    ready: set[int] = field(default_factory=set)
    _spent: float = 0.0
    _share: float = 0.0

    def update(self, event: Event, now: float) -> None:
        """Update the state by an event; `now` is in seconds of a monotonic clock."""
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
        elif isinstance(message, Busy):
            assert event.job is not None
            self.current.pop(event.worker, None)
            self.busy.add(event.job)
        else:
            self._end(event, message, now)

    def _end(self, event: Event, message: Done | Failed, now: float) -> None:
        assert event.job is not None
        current = self.current.pop(event.worker, None)
        self.busy.discard(event.job)
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
        """Jobs whose method does not support their data."""
        return {job: failed for job, failed in self.failed.items() if failed.unfit}

    @property
    def broken(self) -> dict[int, Failed]:
        """Jobs that failed for any other reason."""
        return {job: failed for job, failed in self.failed.items() if not failed.unfit}

    @property
    def ended(self) -> int:
        """Number of jobs that are done or have failed."""
        return len(self.done) + len(self.failed)

    @property
    def runs(self) -> list[str]:
        """Folders of the finished runs, in the order of the jobs."""
        return [self.done[job].run for job in sorted(self.done)]

    def left(self, now: float) -> float | None:
        """Return the estimated seconds left; None before there is an estimate.

        Assumes that the remaining jobs take as long as those so far, shared by all workers.
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
