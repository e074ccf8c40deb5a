"""The runs of a study as tasks of Ray, on one machine or a cluster that shares the study's folder.

A task whose process or machine dies is started again, and goes on from the run's last checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from dmrnet.studies.workers.events import Done, Event, Failed, Held, Message, Ready, read, write
from dmrnet.studies.workers.job import Job
from dmrnet.studies.workers.pool import surroundings

STARTS = 3
"""So often a run is started whose process dies."""

PAUSE = 0.2
"""Seconds between two looks at what the tasks have told."""


def run_on_ray(
    jobs: Sequence[Job],
    runs: Path,
    workers: int | None,
    threads: int = 1,
    on_gpus: bool = False,
    address: str | None = None,
) -> Generator[Event, None, None]:
    """Make runs as tasks of Ray; see `dmrnet.studies.run_jobs`.

    Args:
        jobs: What is to be made, in this order.
        runs: Folder of the runs, one that all machines see.
        workers: How many at the same time at the most; None for as many as there is room for.
        threads: Cores that each run has.
        on_gpus: Each run has a GPU.
        address: Of a running cluster; None starts one on this machine, and ends it.

    Yields:
        What happens, as it happens; `Done` or `Failed` once for every job.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ConnectionError: If there is no cluster at the address.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        _start(ray, workers, threads, address)
    crew = _Crew(ray, jobs, runs.absolute(), threads, on_gpus)
    room = _room(ray, threads, on_gpus)
    try:
        yield from crew.serve(min(workers or room, len(jobs)))
    finally:
        crew.stop()
        if started:
            ray.shutdown()


def _ray() -> Any:  # noqa: ANN401
    # Nothing is told to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--backend ray needs Ray: pip install 'dmrnet[ray]'") from error
    return ray


def _start(ray: Any, workers: int | None, threads: int, address: str | None) -> None:  # noqa: ANN401
    package = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH", "")
    # This very package, installed or not; where another machine has it elsewhere, its own.
    environment = {"PYTHONPATH": os.pathsep.join(part for part in (package, before) if part)}
    more: dict[str, Any] = {"address": address}
    if address is None:
        cores = (workers or os.cpu_count() or 1) * threads
        more = {"num_cpus": cores, "include_dashboard": False}
    ray.init(
        runtime_env={"env_vars": environment},
        log_to_driver=False,
        configure_logging=False,
        **more,
    )


def _room(ray: Any, threads: int, on_gpus: bool) -> int:  # noqa: ANN401
    there = ray.cluster_resources()
    room = int(there.get("CPU", 1)) // threads
    return max(1, min(room, int(there.get("GPU", 0))) if on_gpus else room)


class Channel:
    """Holds what tasks tell until the study asks; an actor."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def put(self, job: int, start: int, line: str) -> None:
        """Take a message in, of the how-many-eth start of a job."""
        self.told.append((job, start, line))

    def take(self) -> list[tuple[int, int, str]]:
        """Give what has been told since."""
        told, self.told = self.told, []
        return told


def make_task(
    channel: Any,  # noqa: ANN401
    job: int,
    start: int,
    argv: Sequence[str],
    runs: str,
    test: bool,
    threads: int,
) -> str:
    """Make one run in a process of Ray; return its last message as a line."""
    kept = surroundings(threads, None)
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)
    from dmrnet.studies.workers.worker import SettingsError, load, one_line_of

    last: list[Message] = []

    def tell(message: Message) -> None:
        if isinstance(message, Done | Failed | Held):
            last.append(message)
        else:
            channel.put.remote(job, start, write(message))

    begun = time.perf_counter()
    make = load()
    tell(Ready(time.perf_counter() - begun))
    try:
        make(argv, Path(runs), test, tell)
    except Exception as error:  # whatever it is, the other runs go on
        last.append(Failed(one_line_of(error), isinstance(error, SettingsError)))
    return write(last[-1])


class _Crew:
    """Tasks at work, each in a place of its own, which a study shows as a worker."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401
        jobs: Sequence[Job],
        runs: Path,
        threads: int,
        on_gpus: bool,
    ) -> None:
        self.ray, self.jobs, self.runs, self.threads = ray, jobs, runs, threads
        self.channel = ray.remote(num_cpus=0)(Channel).remote()
        # What dies is started again here, where it is counted and told.
        of_task = {"num_cpus": threads, "num_gpus": int(on_gpus), "max_retries": 0}
        self.task = ray.remote(**of_task)(make_task)
        self.todo = list(range(len(jobs)))
        self.starts = dict.fromkeys(self.todo, 0)
        self.deaths = dict.fromkeys(self.todo, 0)
        self.at_work: dict[Any, tuple[int, int]] = {}

    def serve(self, places: int) -> Generator[Event, None, None]:
        """Keep every place busy until all jobs have ended."""
        free = list(range(places))
        while self.todo or self.at_work:
            while self.todo and free:
                self._begin(self.todo.pop(0), free.pop(0))
            ended, _ = self.ray.wait(list(self.at_work), timeout=PAUSE)
            yield from self._heard()
            for ref in ended:
                job, place = self.at_work.pop(ref)
                yield from self._end(ref, job, place)
                if place not in (at for _, at in self.at_work.values()):
                    free.append(place)

    def _begin(self, job: int, place: int) -> None:
        self.starts[job] += 1
        what = self.jobs[job]
        ref = self.task.remote(
            *(self.channel, job, self.starts[job], what.argv, str(self.runs), what.test),
            self.threads,
        )
        self.at_work[ref] = (job, place)

    def _heard(self) -> Generator[Event, None, None]:
        places = dict(self.at_work.values())
        for job, start, line in self.ray.get(self.channel.take.remote()):
            # What a task told before it died may come late.
            if start == self.starts[job] and job in places:
                message = read(line)
                known = None if isinstance(message, Ready) else job
                yield Event(known, places[job], message)

    def _end(self, ref: Any, job: int, place: int) -> Generator[Event, None, None]:  # noqa: ANN401
        try:
            message = read(self.ray.get(ref))
        except self.ray.exceptions.RayError as error:
            self.deaths[job] += 1
            if self.deaths[job] < STARTS:
                self._begin(job, place)
                return
            reason = " ".join(str(error).split())[:200]
            message = Failed(f"its process died {STARTS} times: {reason}")
        if isinstance(message, Held):
            # Behind the others, which may be free.
            self.todo.append(job)
        yield Event(job, place, message)

    def stop(self) -> None:
        """End what is at work."""
        for ref in self.at_work:
            self.ray.cancel(ref, force=True)
