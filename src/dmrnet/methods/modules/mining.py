"""A method that mines hard combinations at the end of each epoch (Eq. 10)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dmrnet.methods.base import Method
from dmrnet.objectives import Add, EpochStatistics, HardCombinations, Miner


class MiningMethod(Method):
    """A method with a hard-combination term."""

    learns_from_epochs: ClassVar[bool] = True

    @property
    def hard_term(self) -> HardCombinations:
        """The hard-combination term."""
        return next(t for t in self.objective.terms if isinstance(t, HardCombinations))

    @property
    def miner(self) -> Miner:
        """The miner of the hard set."""
        return self.hard_term.miner

    def on_epoch_end(self, statistics: EpochStatistics | None, add: Add | None) -> None:
        """Mine the hard set (Eq. 10)."""
        assert statistics is not None
        by_variance = self.miner.by == "variance"
        self.miner.end_epoch(statistics.variance if by_variance else statistics.loss)

    def hard_set(self) -> Tensor:
        """Return the hard set, bool ``(2^V,)`` by index j of Eq. 10."""
        return self.miner.hard
