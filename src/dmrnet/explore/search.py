"""Pages of samples: from a row on, of a class, only those that are predicted wrongly."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.explore.run import ExploredRun
from dmrnet.explore.samples import Samples
from dmrnet.serve.answers import decided
from dmrnet.serve.asking import probabilities_of
from dmrnet.serve.batching import Batcher
from dmrnet.serve.limits import Limits

MOST = 200
"""Most samples of a page."""


class SampleSearch:
    """Finds samples; remembers which are predicted wrongly.

    A sample is wrong if it is predicted wrongly from all modalities that it has. Samples are
    predicted when they are searched, through the queue of the service, for half the time that a
    request may take; the page says where the next search goes on.

    Args:
        explored: The run.
        samples: Its samples.
        limits: Limits of the service.
    """

    def __init__(self, explored: ExploredRun, samples: Samples, limits: Limits) -> None:
        self.explored, self.samples, self.limits = explored, samples, limits
        # -1: not predicted yet.
        self._wrong = np.full(len(samples), -1, dtype=np.int8)

    async def page(
        self, batcher: Batcher, start: int, number: int, label: str | None, wrong: bool
    ) -> dict[str, Any]:
        """Return samples from a row on.

        Args:
            batcher: Queue of the service.
            start: First row that may be among them.
            number: Most samples, up to `MOST`.
            label: Class or label that they have; None: any.
            wrong: Whether only those that are predicted wrongly.

        Returns:
            ``samples`` with their ``row``, ``name`` and ``truth``; and ``next``, the row from which
            the next page starts, None at the end.

        Raises:
            ValueError: If there is no such label, or numbers are to be wrong.
            HTTPException: If samples cannot be predicted.
        """
        if wrong and not self.samples.has_labels:
            raise ValueError("wrong: numbers are more or less far off, none is right or wrong")
        matching = np.flatnonzero(self.samples.with_label(label))
        matching = matching[matching >= start]
        rows: list[int] = []
        until = time.monotonic() + self.limits.seconds / 2
        while len(matching) and len(rows) < number:
            part, matching = np.split(matching, [self.limits.batch])
            if wrong:
                if time.monotonic() > until:
                    matching = np.concatenate([part, matching])
                    break
                part = part[await self._are_wrong(batcher, part)]
            enough = number - len(rows)
            rows += part[:enough].tolist()
            if len(part) > enough:
                matching = np.concatenate([part[enough:], matching])
        return {
            "samples": [
                {"row": row, "name": self.samples.name(row), "truth": self.samples.truth(row)}
                for row in rows
            ],
            "next": int(matching[0]) if len(matching) else None,
        }

    async def _are_wrong(self, batcher: Batcher, rows: Array) -> Array:
        """Return bool ``(b,)``, predicting the samples that were not predicted yet."""
        new = rows[self._wrong[rows] < 0]
        if len(new):
            inputs, present = await asyncio.to_thread(self.samples.take, new)
            probabilities = await probabilities_of(inputs, present, batcher, self.limits)
            choices = decided(probabilities, present, self.explored.model)
            self._wrong[new] = self.samples.wrong(new, choices)
        return np.asarray(self._wrong[rows] == 1)
