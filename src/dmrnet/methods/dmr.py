"""DMR: the decoupled multimodal representation (Sec. 3.2, Eq. 4-9), without hard combinations.

Table 3's "+DMR" on the map; on the vector, by `distribution`, Table 4's "+PE" and "+PCME", which
are methods of their own as well (``pe``, ``pcme``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.representation import RepresentationHead
    from dmrnet.objectives.term import Term

Over = Literal["map", "vector", "attention"]
"""The Gaussian is on the feature map (DMR), the pooled vector (PE), or the attention-pooled one."""

PAPER: dict[str, Any] = {
    "encodes": "present",
    "alpha": 1e-3,
    "reduction": "sum",
    "predicts": "log_sigma",
}
"""Eq. 6 (log sigma), Eq. 9 (summed over c, h, w), alpha as printed; sigma bounded against NaN."""

RELEASED: dict[str, Any] = {"encodes": "present", "alpha": 1e-3, "reduction": "sum"}
"""What the released face anti-spoofing code computes: log sigma^2, summed over c, h, w."""

RELEASED_AV: dict[str, Any] = {**RELEASED, "distribution": "vector"}
"""What the released audio-visual code computes: the Gaussian is on the pooled vector."""

RELEASED_SEG: dict[str, Any] = {
    **RELEASED,
    "reduction": "position",
    "alpha_start": 11,
    "alpha_detached": True,
}
"""What the released segmentation code computes: its KL starts late and has no gradient."""


@dataclass(frozen=True)
class DMRSettings(SFMDSettings):
    """Settings of ``dmr``.

    Attributes:
        alpha: Weight of the distribution term (Eq. 9, Table 6).
        reduction: Of the KL over channels and positions: sum, position (sum channels, average
            positions) or mean.
        predicts: What the variance head gives: log_var (log sigma^2) or log_sigma (Eq. 6).
        alpha_start: The first epoch, counted from 0, in which the distribution term acts.
        alpha_detached: The distribution term has no gradient (released segmentation code).
        distribution: Over the map (DMR), the pooled vector (PE) or the attention-pooled vector
            (PCME) (Table 4).
    """

    name: ClassVar[str] = "dmr"
    summary: ClassVar[str] = "a Gaussian on the fused map, sampled in training (Eq. 4-9)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": PAPER,
        "released": RELEASED,
        "released-av": RELEASED_AV,
        "released-seg": RELEASED_SEG,
    }

    over: ClassVar[Over | None] = None
    """What the distribution must be over, where the method's name says it."""

    alpha: float = 1e-3
    reduction: Literal["sum", "position", "mean"] = "position"
    predicts: Literal["log_var", "log_sigma"] = "log_var"
    alpha_start: int = 0
    alpha_detached: bool = False
    distribution: Over = "map"

    def representation(self, channels: int) -> RepresentationHead:
        """Return the Gaussian head."""
        from dmrnet.nn.representation import DMR, PCME, PE

        heads: dict[str, type[DMR | PE | PCME]] = {"map": DMR, "vector": PE, "attention": PCME}
        if self.distribution not in heads:
            raise ValueError(
                f"expected distribution as {', '.join(heads)}, got {self.distribution!r}"
            )
        return heads[self.distribution](channels, predicts=self.predicts)

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If every pixel has a class and the distribution is over a vector, or it is
                not over what the method's name says.
        """
        if self.over is not None and self.distribution != self.over:
            raise ValueError(
                f"{self.name} has its distribution over {self.over!r}, got {self.distribution!r}; "
                "use dmr for another"
            )
        if task.dense and self.distribution != "map":
            raise ValueError(
                f"distribution {self.distribution!r} pools the map away, but every pixel has a "
                "class; use map"
            )
        return super().build(task)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return L_DR."""
        from dmrnet.objectives.distribution import Distribution

        return (Distribution(self.alpha, self.reduction, self.alpha_start, self.alpha_detached),)
