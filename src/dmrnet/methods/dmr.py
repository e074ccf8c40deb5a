"""DMR: the decoupled multimodal representation (Sec. 3.2, Eq. 4-9), without hard combinations.

Table 3's "+DMR": a Gaussian on the fused map. With `distribution` it is on a vector, as in "+PE"
and "+PCME" of Table 4, which are also methods of their own (``pe``, ``pcme``).
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

Placement = Literal["map", "vector", "attention"]
"""Place of the Gaussian: the fused map (DMR), the pooled vector (PE) or the attention-pooled vector
(PCME)."""

PAPER: dict[str, Any] = {
    "encodes": "present",
    "alpha": 1e-3,
    "reduction": "sum",
    "predicts": "log_sigma",
}
"""Settings as printed: Eq. 6 (log sigma), Eq. 9 (sum over c, h, w) and alpha; sigma is bounded."""

RELEASED: dict[str, Any] = {"encodes": "present", "alpha": 1e-3, "reduction": "sum"}
"""Settings of the released face anti-spoofing code: log sigma^2, and a sum over c, h, w."""

RELEASED_AV: dict[str, Any] = {**RELEASED, "distribution": "vector"}
"""Settings of the released audio-visual code: the Gaussian is on the pooled vector."""

RELEASED_SEG: dict[str, Any] = {
    **RELEASED,
    "reduction": "position",
    "alpha_start": 11,
    "alpha_detached": True,
}
"""Settings of the released segmentation code: its KL starts late and has no gradient."""


@dataclass(frozen=True)
class DMRSettings(SFMDSettings):
    """Settings of ``dmr``.

    Attributes:
        alpha: Weight of the distribution term (Eq. 9, Table 6).
        reduction: Reduction of the KL over channels and positions: sum, position (sum over
            channels, mean over positions) or mean.
        predicts: Output of the variance head: log_var (log sigma^2) or log_sigma (Eq. 6).
        alpha_start: First epoch, counted from 0, with the distribution term.
        alpha_detached: Whether the distribution term has no gradient (as in the released
            segmentation code).
        distribution: Place of the Gaussian: the map (DMR), the pooled vector (PE) or the
            attention-pooled vector (PCME) (Table 4).
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

    fixed_placement: ClassVar[Placement | None] = None
    """Place of the Gaussian that the method's name implies; None if any is possible."""

    alpha: float = 1e-3
    reduction: Literal["sum", "position", "mean"] = "position"
    predicts: Literal["log_var", "log_sigma"] = "log_var"
    alpha_start: int = 0
    alpha_detached: bool = False
    distribution: Placement = "map"

    def representation(self, channels: int) -> RepresentationHead:
        """Return the Gaussian head."""
        return gaussian_head(self.distribution, channels, self.predicts)

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If the Gaussian of a dense task is on a vector, or is not where the
                method's name says.
        """
        if self.fixed_placement not in (None, self.distribution):
            raise ValueError(
                f"expected distribution as {self.fixed_placement} for {self.name}, got "
                f"{self.distribution!r}; use dmr for another"
            )
        check_placement(task, self.distribution)
        return super().build(task)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return L_DR."""
        from dmrnet.objectives.distribution import Distribution

        return (Distribution(self.alpha, self.reduction, self.alpha_start, self.alpha_detached),)


def gaussian_head(
    distribution: str, channels: int, predicts: Literal["log_var", "log_sigma"] = "log_var"
) -> RepresentationHead:
    """Return the Gaussian head of a `Placement`.

    Raises:
        ValueError: If the placement is unknown.
    """
    from dmrnet.nn.representation import DMR, PCME, PE

    heads: dict[str, type[DMR | PE | PCME]] = {"map": DMR, "vector": PE, "attention": PCME}
    if distribution not in heads:
        raise ValueError(f"expected distribution as {', '.join(heads)}, got {distribution!r}")
    return heads[distribution](channels, predicts=predicts)


def check_placement(task: Task, distribution: str) -> None:
    """Raise a ValueError if the Gaussian of a dense task is on a vector."""
    if task.dense and distribution != "map":
        raise ValueError(
            f"expected distribution as map, since every pixel has a class, got {distribution!r}"
        )
