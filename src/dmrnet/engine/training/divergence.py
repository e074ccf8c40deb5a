"""A warning where the loss rises instead of falling: it stays finite, but cannot be trusted."""

from __future__ import annotations

import logging
from collections.abc import Iterable

log = logging.getLogger(__name__)

LIMIT = 10.0
"""Training diverges where an epoch's loss exceeds the first epoch's by this factor.

Of about 120 runs on 60 to 1200 rows, those with the default settings stayed below 4 times; without
clipping and with 8 rows per batch others reached 30 to 300000 times.
"""


class DivergenceMonitor:
    """Measures how far the loss of an epoch rises above that of the first; warns once.

    Args:
        losses: Losses of the epochs that a resumed run had finished, in order.

    Attributes:
        highest: Highest loss of an epoch as a multiple of the first epoch's, at least 1.

    >>> monitor = DivergenceMonitor([2.0, 1.0])
    >>> monitor.add(2, 5.0)
    >>> monitor.highest
    2.5
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self.first: float | None = None
        self.highest = 1.0
        self._warned = False
        for epoch, loss in enumerate(losses):
            self.add(epoch, loss)

    @property
    def diverged(self) -> bool:
        """Whether the loss of any epoch rose above the limit."""
        return self.highest > LIMIT

    def add(self, epoch: int, loss: float) -> None:
        """Add an epoch's mean loss; epochs count from 0."""
        if self.first is None:
            self.first = loss
        if self.first <= 0:
            return
        self.highest = max(self.highest, loss / self.first)
        if self.diverged and not self._warned:
            self._warned = True
            log.warning(
                "the loss rose from %.3g in the first epoch to %.3g in epoch %d: training "
                "diverges; try a lower lr or clip (--lr, --clip), or a larger "
                "batch_size (--batch-size)",
                self.first,
                loss,
                epoch + 1,
            )
