"""Micro-batching: what waits while a batch is predicted is predicted together next."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.limits import Limits
from dmrnet.serve.model import ServedModel

log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """Too many samples wait."""


class ClosedError(Exception):
    """The service is shutting down."""


class PredictionError(Exception):
    """The graph failed."""


@dataclass
class _Waiting:
    inputs: Mapping[str, Array]
    present: Array
    result: asyncio.Future[Array]

    @property
    def rows(self) -> int:
        return len(self.present)


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
        self._thread = ThreadPoolExecutor(1, "dmrnet-predict")

    @property
    def waiting(self) -> int:
        """Number of samples that wait, without those being predicted."""
        return sum(one.rows for one in self._queue if not one.result.done())

    def start(self) -> None:
        """Start to predict, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Refuse what comes from now on, predict what waits, and stop."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

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
        # A result that is late or not wanted any more is dropped with its future.
        return await asyncio.wait_for(one.result, self.limits.seconds)

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
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._thread, self._joined, batch)
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
