"""Worker processes of one machine, and the jobs shared out to them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO

from dmrnet.studies.workers.events import Done, Event, Failed, Held, Message, read
from dmrnet.studies.workers.job import Job

PROGRAM = "dmrnet.studies.workers.worker"
"""What a worker process runs."""

PATIENCE = 3.0
"""Seconds that a worker has to end once its input has ended."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What sets how many threads a worker has; one by default: side by side they are faster so."""


LAUNCHERS = (
    *("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    *("SLURM_NTASKS", "SLURM_PROCID"),
)
"""What launchers tell their processes; each run of a study is a world of its own."""


def surroundings(threads: int, gpu: str | None) -> dict[str, str]:
    """Return the environment of a process that makes runs.

    Args:
        threads: It computes with.
        gpu: Id of the only GPU that it sees; None for all that its study sees.
    """
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
    own = dict.fromkeys(THREADS, str(threads))
    return {**kept, **own, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})}


class Worker:
    """A process that makes runs; see `dmrnet.studies.workers.worker`.

    Args:
        log: Where what it prints is added.
        program: Module whose `main` it runs.
        threads: It computes with.
        gpu: Id of the only GPU that it sees; None for all that its study sees.
    """

    def __init__(
        self, log: Path, program: str = PROGRAM, threads: int = 1, gpu: str | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # The path is handed on, so that it finds this very package, installed or not.
        start = f"import sys; sys.path[:] = {sys.path!r}; import {program} as it; it.main()"
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env=surroundings(threads, gpu),
                # Out of the reach of the terminal's Ctrl-C, which is for the study.
                start_new_session=True,
            )

    def send(self, job: Job, runs: Path) -> None:
        """Hand over a job; a worker that is dead shows when its messages end."""
        assert self.process.stdin is not None
        try:
            told = {"argv": job.argv, "runs": str(runs), "test": job.test}
            self.process.stdin.write(json.dumps(told) + "\n")
            self.process.stdin.flush()
        except OSError:
            return

    def messages(self) -> Iterator[Message]:
        """Give what it tells, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # A process that is killed may leave half a line.
            if line.endswith("\n"):
                yield read(line)

    def why(self) -> str:
        """Say how it ended."""
        code = self.process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """End it, at the latest after `PATIENCE`."""
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
    runs: Path,
    workers: int,
    logs: Path,
    program: str = PROGRAM,
    threads: int = 1,
    gpus: tuple[str, ...] = (),
) -> Generator[Event, None, None]:
    """Make runs in worker processes; what another process makes is waited for.

    Leaving the iteration early, by closing it or by an exception, ends the workers.

    Args:
        jobs: What is to be made, in this order.
        runs: Folder of the runs; what is finished there is not made again.
        workers: How many processes at the most.
        logs: Folder for ``worker-N.log``: what a worker prints, tracebacks among it.
        program: Module that the processes run.
        threads: Of each process.
        gpus: Ids of GPUs; processes are dealt out to them in turn. None given: each sees all.

    Yields:
        What happens, as it happens; `Done` or `Failed` once for every job.
    """
    team = _Team(jobs, runs, logs, program, threads, gpus)
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
                # Waking now and then lets Ctrl-C in on every platform.
                yield team.events.get(timeout=0.1)
            except queue.Empty:
                continue
    finally:
        team.stop()
        for thread in serving:
            thread.join(2 * PATIENCE)


class _Team:
    """Threads that each feed one worker process."""

    def __init__(
        self,
        jobs: Sequence[Job],
        runs: Path,
        logs: Path,
        program: str,
        threads: int,
        gpus: tuple[str, ...],
    ) -> None:
        self.jobs, self.runs, self.logs, self.program = jobs, runs, logs, program
        self.threads, self.gpus = threads, gpus
        self.todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.events: queue.Queue[Event] = queue.Queue()
        self.stopped = threading.Event()
        self.workers: dict[int, Worker] = {}
        self.lock = threading.Lock()

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
            except Exception as error:  # the study must learn of it, and go on
                self._put(job, number, Failed(f"{type(error).__name__}: {error}"))
                self._dismiss(number)
        self._dismiss(number)

    def _one(self, number: int, worker: Worker, job: int) -> None:
        worker.send(self.jobs[job], self.runs)
        for message in worker.messages():
            self._put(job, number, message)
            if isinstance(message, Held):
                # Behind the others, which may be free.
                self.todo.put(job)
            if isinstance(message, (Done, Failed, Held)):
                return
        if not self.stopped.is_set():
            log = self.logs / f"worker-{number}.log"
            self._put(job, number, Failed(f"its process {worker.why()}; see {log}"))
        self._dismiss(number)

    def _put(self, job: int, number: int, message: Message) -> None:
        self.events.put(Event(job, number, message))

    def _worker(self, number: int) -> Worker | None:
        """Return the thread's worker, a new one where it has none; None once stopped."""
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
        """End every worker; their threads then end by themselves."""
        with self.lock:
            self.stopped.set()
            workers = list(self.workers.values())
        for worker in workers:
            _quietly_close(worker.process.stdin)
