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
        mine_by: What ranks combinations: loss (mean training loss), or variance (Eq. 10, the
            paper; on small real data it ranked the easiest highest).
        hard_size: How many combinations are hard; by default V, as in the paper.
        hard_among: Which combinations may be hard: all, or single modalities.
        hard_fixed: These are hard, by name (`rgb+ir`), and nothing is mined.
        hard_broadcast: The term weighs the whole batch by the number of hard samples in it, as the
            released classification code does.
        hard_start: The first epoch, counted from 0, in which the term acts.
        hard_predictor: What the term predicts with: shared (the task's predictor, as the paper
            says), or own (one like it with parameters of its own, which start as a copy; as in the
            released segmentation code it acts in batches with a sample that shows the last modality
            alone, and the task's predictor in others).
        mine_momentum: What of earlier epochs' sums is kept when an epoch is added.
        mine_min_count: Samples below which a combination is not ranked.
        mine_until: The hard set is frozen after so many epochs; by default it is mined each epoch.
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
    def kind(self) -> type[MiningMethod]:
        """The class that the parts are put into."""
        from dmrnet.methods.modules.mining import MiningMethod

        return MiningMethod

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If the hard set needs settings that exclude each other.
        """
        if self.hard_predictor == "own" and self.hard_broadcast:
            raise ValueError(
                "hard_broadcast reads the task's own loss: set hard_predictor to shared"
            )
        method = super().build(task)
        if self.hard_predictor == "own":
            assert isinstance(method, self.kind)
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
            self.mine_by,
            self.hard_size,
            self.mine_momentum,
            self.mine_min_count,
            self.mine_until,
            self.hard_among,
            fixed,
        )
        hard = HardCombinations(self.beta, miner, self.hard_start, self.hard_broadcast)
        return (*super().terms(task), hard)
