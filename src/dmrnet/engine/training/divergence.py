"""A loss that rises instead of falling: finite, so that nothing stops, but nothing to trust."""

from __future__ import annotations

import logging
from collections.abc import Iterable

log = logging.getLogger(__name__)

LIMIT = 10.0
"""An epoch's loss of so many times the first epoch's is called diverging.

Of about 120 runs on 60 to 1200 rows, those with the default settings stayed below 4 times; without
clipping and with 8 rows a batch others reached 30 to 300000 times.
"""


class Rise:
    """How far the loss of an epoch rose above that of the first; warns once.

    Args:
        losses: Of the epochs that a killed run had finished, in order.

    >>> rise = Rise([2.0, 1.0])
    >>> rise.add(2, 5.0)
    >>> rise.highest
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
        """Whether the loss ever rose above the limit."""
        return self.highest > LIMIT

    def add(self, epoch: int, loss: float) -> None:
        """Take in an epoch's mean loss; epochs count from 0."""
        if self.first is None:
            self.first = loss
        if self.first <= 0:
            return
        self.highest = max(self.highest, loss / self.first)
        if self.diverged and not self._warned:
            self._warned = True
            log.warning(
                "the loss rose from %.3g in the first epoch to %.3g in epoch %d: training "
                "diverges; try a lower --lr or --clip, or a larger --batch-size",
                self.first,
                loss,
                epoch + 1,
            )
