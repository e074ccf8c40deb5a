"""Micro-batching: what waits while a batch is predicted is predicted together next."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.limits import Limits
from dmrnet.serve.model import ServedModel

log = logging.getLogger(__name__)

GRACE = 0.2
"""Seconds in which the loop ends after its last result."""


class QueueFullError(Exception):
    """Too many samples wait."""


class ClosedError(Exception):
    """The service is shutting down."""


class PredictionError(Exception):
    """The graph failed."""


@dataclass(eq=False, repr=False)
class _Waiting:
    inputs: Mapping[str, Array]
    present: Array
    result: asyncio.Future[Array]

    @property
    def rows(self) -> int:
        return len(self.present)


class _Worker:
    """One thread that runs functions in turn; it does not keep the process from ending.

    The threads of `concurrent.futures` do: a graph that hangs would.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="dmrnet-predict", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def run(self, function: Callable[[], Array]) -> Array:
        """Return what a function returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Array] = loop.create_future()

        def settle(result: Array | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            elif result is not None:
                future.set_result(result)

        def job() -> None:
            result, problem = None, None
            try:
                result = function()
            except Exception as error:
                problem = error
            # The loop may be gone when a graph returns late.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, problem)

        self._jobs.put(job)
        return await future

    def stop(self) -> None:
        """End the thread after its last function."""
        self._jobs.put(None)


class Batcher:
    """Predicts samples of several requests together, one batch at a time.

    A request that comes alone is predicted at once: nobody waits for a batch to fill. What comes
    while a batch is predicted forms the next one.

    Args:
        model: The graph.
        limits: Largest batch and queue.
        observe: Called with the number of rows of each batch.
    """

    def __init__(
        self, model: ServedModel, limits: Limits, observe: Callable[[int], None] | None = None
    ) -> None:
        self.model, self.limits = model, limits
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._current: list[_Waiting] = []
        self._worker = _Worker()

    @property
    def waiting(self) -> int:
        """Number of samples that wait, without those being predicted."""
        return sum(one.rows for one in self._queue if not one.result.done())

    def start(self) -> None:
        """Start to predict, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Refuse what comes from now on, predict what waits, and stop.

        A graph that does not return is not waited for longer than its requests are.
        """
        self._closed = True
        self._wake.set()
        wanted = [one.result for one in (*self._current, *self._queue) if not one.result.done()]
        if wanted:
            await asyncio.wait(wanted, timeout=self.limits.seconds)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._worker.stop()

    async def predict(self, inputs: Mapping[str, Array], present: Array) -> Array:
        """Return probabilities of some samples, float32 ``(b, M)``.

        Raises:
            QueueFullError: If too many samples wait.
            ClosedError: If the service is shutting down.
            TimeoutError: If it takes too long; the samples are then not predicted any more.
            PredictionError: If the graph failed.
        """
        if self._closed:
            raise ClosedError
        if self.waiting + len(present) > self.limits.queue:
            raise QueueFullError
        one = _Waiting(inputs, present, asyncio.get_running_loop().create_future())
        self._queue.append(one)
        self._wake.set()
        try:
            return await asyncio.wait_for(one.result, self.limits.seconds)
        finally:
            # What is late, or not wanted any more, does not wait on with its arrays.
            if one in self._queue:
                self._queue.remove(one)

    async def _run(self) -> None:
        while True:
            batch = self._next()
            if not batch:
                if self._closed:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._predict(batch)

    def _next(self) -> list[_Waiting]:
        """Take requests from the queue, as many as fit into a batch."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue and rows + self._queue[0].rows <= self.limits.batch:
            one = self._queue.popleft()
            if not one.result.done():
                batch.append(one)
                rows += one.rows
        return batch

    async def _predict(self, batch: list[_Waiting]) -> None:
        self._current = batch
        try:
            result = await self._worker.run(lambda: self._joined(batch))
        except Exception:
            log.exception("a batch could not be predicted")
            for one in batch:
                if not one.result.done():
                    one.result.set_exception(PredictionError())
            return
        start = 0
        for one in batch:
            if not one.result.done():
                one.result.set_result(result[start : start + one.rows])
            start += one.rows

    def _joined(self, batch: list[_Waiting]) -> Array:
        if len(batch) == 1:
            inputs, present = batch[0].inputs, batch[0].present
        else:
            names = batch[0].inputs
            inputs = {name: np.concatenate([one.inputs[name] for one in batch]) for name in names}
            present = np.concatenate([one.present for one in batch])
        if self._observe is not None:
            self._observe(len(present))
        return self.model.predict(inputs, present)
