"""Worker processes of one machine."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dmrnet.studies.workers.events import Busy, Done, Event, Failed, Job, Message, read

PROGRAM = "dmrnet.studies.workers.worker"
"""Module that a worker process runs."""

PATIENCE = 3.0
"""Seconds for a worker to exit after its input has ended."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that set the threads of a worker; one by default, fastest for parallel workers."""

LAUNCHERS = (
    *("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    *("SLURM_NTASKS", "SLURM_PROCID"),
)
"""Variables that launchers set; each run of a study is a job of its own."""


def environment(threads: int, gpu: str | None) -> dict[str, str]:
    """Return the environment variables of a worker; gpu is None for all GPUs of the study."""
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
    own = dict.fromkeys(THREADS, str(threads))
    return {**kept, **own, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})}


class Worker:
    """Worker process that runs the `main` of a module and appends its output to a log file."""

    def __init__(
        self, log: Path, program: str = PROGRAM, threads: int = 1, gpu: str | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # Passing the path on lets it find this package, installed or not.
        start = f"import sys; sys.path[:] = {sys.path!r}; import {program} as it; it.main()"
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env=environment(threads, gpu),
                # A session of its own, so that Ctrl-C reaches only the study.
                start_new_session=True,
            )

    def send(self, job: Job, runs: Path) -> None:
        """Send a job; a dead worker is noticed when its messages end."""
        assert self.process.stdin is not None
        try:
            request = {"argv": job.argv, "runs": str(runs), "test": job.test}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            return

    def messages(self) -> Iterator[Message]:
        """Yield its messages until it exits."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # A killed process may leave half a line.
            if line.endswith("\n"):
                yield read(line)

    def exit_reason(self) -> str:
        """Return how the process ended."""
        code = self.process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """Stop the process, at the latest after `PATIENCE` seconds."""
        _quietly_close(self.process.stdin)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _quietly_close(self.process.stdout)


def _quietly_close(stream: IO[str] | None) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:
        return


def run_jobs(
    jobs: Sequence[Job],
    runs: str | Path,
    workers: int,
    logs: str | Path,
    program: str = PROGRAM,
    threads: int = 1,
    gpus: tuple[str, ...] = (),
) -> Generator[Event, None, None]:
    """Make runs in worker processes; wait for runs that another process is making.

    Closing the iteration early, or an exception, stops the workers.

    Args:
        jobs: Jobs, in order.
        runs: Folder of the runs; finished ones are not made again.
        workers: Largest number of processes.
        logs: Folder for ``worker-N.log``, the output of each worker with tracebacks.
        program: Module that the processes run.
        threads: Threads of each process.
        gpus: Ids of GPUs, assigned to processes in turn; empty for all GPUs in each process.

    Yields:
        Events as they happen; `Done` or `Failed` once per job.
    """
    team = _Team(jobs, Path(runs), Path(logs), program, threads, gpus)
    for number in range(len(jobs)):
        team.todo.put(number)
    serving = [
        threading.Thread(target=team.serve, args=(number,), daemon=True)
        for number in range(min(workers, len(jobs)))
    ]
    for thread in serving:
        thread.start()
    try:
        while any(thread.is_alive() for thread in serving) or not team.events.empty():
            try:
                # The timeout lets Ctrl-C through on every platform.
                yield team.events.get(timeout=0.1)
            except queue.Empty:
                continue
    finally:
        team.stop()
        for thread in serving:
            thread.join(2 * PATIENCE)


@dataclass(frozen=True)
class _Team:
    """Threads that each serve one worker process."""

    jobs: Sequence[Job]
    runs: Path
    logs: Path
    program: str
    threads: int
    gpus: tuple[str, ...]
    todo: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    events: queue.Queue[Event] = field(default_factory=queue.Queue)
    stopped: threading.Event = field(default_factory=threading.Event)
    workers: dict[int, Worker] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, number: int) -> None:
        while not self.stopped.is_set():
            try:
                job = self.todo.get_nowait()
            except queue.Empty:
                break
            try:
                worker = self._worker(number)
                if worker is None:
                    break
                self._one(number, worker, job)
            except Exception as error:  # reported to the study, which continues
                self._put(job, number, Failed(f"{type(error).__name__}: {error}"))
                self._dismiss(number)
        self._dismiss(number)

    def _one(self, number: int, worker: Worker, job: int) -> None:
        worker.send(self.jobs[job], self.runs)
        for message in worker.messages():
            self._put(job, number, message)
            if isinstance(message, Busy):
                # At the end of the queue: others may be free.
                self.todo.put(job)
            if isinstance(message, (Done, Failed, Busy)):
                return
        if not self.stopped.is_set():
            log = self.logs / f"worker-{number}.log"
            self._put(job, number, Failed(f"its process {worker.exit_reason()}; see {log}"))
        self._dismiss(number)

    def _put(self, job: int, number: int, message: Message) -> None:
        self.events.put(Event(job, number, message))

    def _worker(self, number: int) -> Worker | None:
        """Return the thread's worker, started if necessary; None after `stop`."""
        with self.lock:
            if self.stopped.is_set():
                return None
            if number not in self.workers:
                log = self.logs / f"worker-{number}.log"
                gpu = self.gpus[number % len(self.gpus)] if self.gpus else None
                self.workers[number] = Worker(log, self.program, self.threads, gpu)
            return self.workers[number]

    def _dismiss(self, number: int) -> None:
        with self.lock:
            worker = self.workers.pop(number, None)
        if worker is not None:
            worker.close()

    def stop(self) -> None:
        """Stop every worker; the threads then end by themselves."""
        with self.lock:
            self.stopped.set()
            workers = list(self.workers.values())
        for worker in workers:
            _quietly_close(worker.process.stdin)
