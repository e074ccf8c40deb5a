"""DMRNet: the decoupled representation with the hard-combination regulariser (Eq. 1-13)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.dmr import PAPER, RELEASED, RELEASED_AV, RELEASED_SEG, DMRSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.mining import MiningMethod
    from dmrnet.modalities import Task
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class DMRNetSettings(DMRSettings):
    """Settings of ``dmrnet``.

    Attributes:
        beta: Weight of the hard-combination term (Eq. 13, Table 7).
        mine_by: Ranking of combinations: loss (mean training loss) or variance (Eq. 10, the paper;
            on small real data it ranked the easiest highest).
        hard_size: Number of hard combinations; by default V, as in the paper.
        hard_among: Combinations that may be hard: all, or single modalities.
        hard_fixed: Names of hard combinations (such as `rgb+ir`), in place of mining.
        hard_broadcast: Whether the term weighs the whole batch by its number of hard samples, as
            in the released classification code.
        hard_start: First epoch, counted from 0, with the term.
        hard_predictor: Predictor of the term: shared (the task's predictor, as in the paper) or
            own (a copy with parameters of its own; as in the released segmentation code it is used
            in batches in which a sample shows the last modality alone, and the term is divided by
            the hard samples alone).
        mine_momentum: Share of earlier epochs' sums that is kept when an epoch is added.
        mine_min_count: Number of samples below which a combination is not ranked.
        mine_until: Number of epochs after which the hard set is fixed; by default it is mined
            after every epoch.
    """

    name: ClassVar[str] = "dmrnet"
    summary: ClassVar[str] = "dmr with mined hard combinations weighted up (Eq. 10-13)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {**PAPER, "beta": 0.7, "mine_by": "variance"},
        "released": {
            **RELEASED,
            "beta": 0.7,
            "mine_by": "variance",
            "mine_momentum": 1.0,
            "mine_until": 6,
            "hard_start": 6,
            "hard_broadcast": True,
        },
        "released-av": {
            **RELEASED_AV,
            "beta": 0.3,
            "mine_by": "variance",
            "mine_momentum": 1.0,
            "mine_until": 6,
            "hard_among": "single",
            "hard_size": 1,
            "hard_start": 6,
            "hard_broadcast": True,
        },
        "released-seg": {
            **RELEASED_SEG,
            "beta": 0.5,
            "hard_among": "single",
            "hard_start": 11,
            "hard_predictor": "own",
        },
    }

    beta: float = 0.5
    mine_by: Literal["variance", "loss"] = "loss"
    hard_size: int | None = None
    hard_among: Literal["all", "single"] = "all"
    hard_fixed: list[str] = field(default_factory=list)
    hard_broadcast: bool = False
    hard_start: int = 5
    hard_predictor: Literal["shared", "own"] = "shared"
    mine_momentum: float = 0.9
    mine_min_count: float = 8.0
    mine_until: int | None = None

    @property
    def method_class(self) -> type[MiningMethod]:
        """Class of the method."""
        from dmrnet.methods.modules.mining import MiningMethod

        return MiningMethod

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If settings of the hard set exclude each other.
        """
        if self.hard_predictor == "own" and self.hard_broadcast:
            raise ValueError("hard_broadcast reads the task loss; set hard_predictor to shared")
        method = super().build(task)
        if self.hard_predictor == "own":
            assert isinstance(method, self.method_class)
            method.hard_term.own(deepcopy(method.predictor), method.task_loss)
        return method

    def terms(self, task: Task) -> Sequence[Term]:
        """Return L_DR and L_HCR."""
        import torch

        from dmrnet.modalities.combinations import parse
        from dmrnet.objectives.hard_combinations import HardCombinations
        from dmrnet.objectives.mining import Miner

        fixed = None
        if self.hard_fixed:
            fixed = torch.stack([parse(name, task.modalities) for name in self.hard_fixed])
        miner = Miner(
            len(task.modalities),
            by=self.mine_by,
            size=self.hard_size,
            momentum=self.mine_momentum,
            min_count=self.mine_min_count,
            freeze_after=self.mine_until,
            among=self.hard_among,
            fixed=fixed,
        )
        hard = HardCombinations(self.beta, miner, self.hard_start, self.hard_broadcast)
        return (*super().terms(task), hard)
