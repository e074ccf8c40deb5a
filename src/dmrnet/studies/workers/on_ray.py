"""Runs of a study as tasks of Ray, on one machine or a cluster that shares the study's folder.

A task whose process or machine dies is restarted from the run's last checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from dmrnet.studies.workers.events import (
    Busy,
    Done,
    Event,
    Failed,
    Job,
    Message,
    Ready,
    read,
    write,
)
from dmrnet.studies.workers.pool import environment

STARTS = 3
"""Largest number of starts of a run whose process dies."""

PAUSE = 0.2
"""Seconds between two reads of the tasks' messages."""


def run_on_ray(
    jobs: Sequence[Job],
    runs: Path,
    workers: int | None,
    threads: int = 1,
    on_gpus: bool = False,
    address: str | None = None,
) -> Generator[Event, None, None]:
    """Make runs as tasks of Ray and yield events, as `dmrnet.studies.run_jobs` does.

    Args:
        jobs: Jobs, in order.
        runs: Folder of the runs, shared by all machines.
        workers: Largest number of concurrent runs; None for as many as fit.
        threads: Cores of each run.
        on_gpus: Whether each run has a GPU.
        address: Address of a running cluster; None starts a local one and stops it.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ConnectionError: If no cluster answers at the address.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        _start(ray, workers, threads, address)
    crew = _Crew(ray, jobs, runs.absolute(), threads, on_gpus)
    slots = _count_slots(ray, threads, on_gpus)
    try:
        yield from crew.serve(min(workers or slots, len(jobs)))
    finally:
        crew.stop()
        if started:
            ray.shutdown()


def _ray() -> Any:  # noqa: ANN401
    # No usage statistics are sent.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "backend ray (--backend) needs Ray: pip install 'dmrnet[ray]'"
        ) from error
    return ray


def _start(ray: Any, workers: int | None, threads: int, address: str | None) -> None:  # noqa: ANN401
    package = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH", "")
    # This package, installed or not; a machine that has it elsewhere uses its own.
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


def _count_slots(ray: Any, threads: int, on_gpus: bool) -> int:  # noqa: ANN401
    resources = ray.cluster_resources()
    slots = int(resources.get("CPU", 1)) // threads
    return max(1, min(slots, int(resources.get("GPU", 0))) if on_gpus else slots)


class Channel:
    """Actor that holds the tasks' messages until the study reads them."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, str]] = []

    def put(self, job: int, start: int, line: str) -> None:
        """Add a message from attempt `start` of a job."""
        self.messages.append((job, start, line))

    def drain(self) -> list[tuple[int, int, str]]:
        """Return and remove all messages."""
        messages, self.messages = self.messages, []
        return messages


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
    kept = environment(threads, None)
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)
    from dmrnet.studies.workers.worker import SettingsError, load, one_line_of

    last: list[Message] = []

    def report(message: Message) -> None:
        if isinstance(message, Done | Failed | Busy):
            last.append(message)
        else:
            channel.put.remote(job, start, write(message))

    start_time = time.perf_counter()
    make = load()
    report(Ready(time.perf_counter() - start_time))
    try:
        make(argv, Path(runs), test, report)
    except Exception as error:  # the other runs continue
        last.append(Failed(one_line_of(error), isinstance(error, SettingsError)))
    return write(last[-1])


class _Crew:
    """Running tasks, each in a slot that the study shows as a worker."""

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
        # Dead tasks are restarted here, where they are counted and reported.
        of_task = {"num_cpus": threads, "num_gpus": int(on_gpus), "max_retries": 0}
        self.task = ray.remote(**of_task)(make_task)
        self.todo = list(range(len(jobs)))
        self.starts = dict.fromkeys(self.todo, 0)
        self.deaths = dict.fromkeys(self.todo, 0)
        self.running: dict[Any, tuple[int, int]] = {}

    def serve(self, slots: int) -> Generator[Event, None, None]:
        """Keep every slot busy until all jobs have ended."""
        free = list(range(slots))
        while self.todo or self.running:
            while self.todo and free:
                self._start_task(self.todo.pop(0), free.pop(0))
            ended, _ = self.ray.wait(list(self.running), timeout=PAUSE)
            yield from self._read_messages()
            for ref in ended:
                job, slot = self.running.pop(ref)
                yield from self._end(ref, job, slot)
                if slot not in (at for _, at in self.running.values()):
                    free.append(slot)

    def _start_task(self, job: int, slot: int) -> None:
        self.starts[job] += 1
        what = self.jobs[job]
        ref = self.task.remote(
            *(self.channel, job, self.starts[job], what.argv, str(self.runs), what.test),
            self.threads,
        )
        self.running[ref] = (job, slot)

    def _read_messages(self) -> Generator[Event, None, None]:
        slots = dict(self.running.values())
        for job, start, line in self.ray.get(self.channel.drain.remote()):
            # Messages of a task that has died may arrive late.
            if start == self.starts[job] and job in slots:
                message = read(line)
                known = None if isinstance(message, Ready) else job
                yield Event(known, slots[job], message)

    def _end(self, ref: Any, job: int, slot: int) -> Generator[Event, None, None]:  # noqa: ANN401
        try:
            message = read(self.ray.get(ref))
        except self.ray.exceptions.RayError as error:
            self.deaths[job] += 1
            if self.deaths[job] < STARTS:
                self._start_task(job, slot)
                return
            reason = " ".join(str(error).split())[:200]
            message = Failed(f"its process died {STARTS} times: {reason}")
        if isinstance(message, Busy):
            # At the end of the queue: others may be free.
            self.todo.append(job)
        yield Event(job, slot, message)

    def stop(self) -> None:
        """Cancel all running tasks."""
        for ref in self.running:
            self.ray.cancel(ref, force=True)
