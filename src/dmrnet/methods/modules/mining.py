"""A method that mines hard combinations at the end of each epoch (Eq. 10)."""

from __future__ import annotations

from torch import Tensor

from dmrnet.methods.base import Method
from dmrnet.objectives import CombinationMeans, HardCombinations, Miner


class MiningMethod(Method):
    """A method with a hard-combination term among its terms."""

    @property
    def hard_term(self) -> HardCombinations:
        """The hard-combination term."""
        return next(t for t in self.objective.terms if isinstance(t, HardCombinations))

    @property
    def miner(self) -> Miner:
        """What mines the hard set."""
        return self.hard_term.miner

    def on_epoch_end(self, variance: CombinationMeans, loss: CombinationMeans) -> None:
        """Mine the hard set from what the epoch saw (Eq. 10)."""
        self.miner.end_epoch(variance if self.miner.by == "variance" else loss)

    def hard(self) -> Tensor:
        """Return bool ``(2^V,)``: the hard set by index j."""
        return self.miner.hard
