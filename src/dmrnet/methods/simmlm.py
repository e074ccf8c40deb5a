"""SimMLM: experts mixed by a gating network, and a loss that ranks nested combinations.

Li, Chen, Han, ICCV 2025 ("A Simple Framework for Multi-modal Learning with Missing Modality"). Each
modality has a whole network (expert); a gating network reads the visible inputs and weighs the
experts' logits class by class (DMoME),

``z_S = sum_{v in S} g_v * u_v`` with g a softmax over the visible modalities.

Two nested combinations of each sample are predicted; their mean cross-entropy is trained, and
``rank_weight`` times the amount by which the larger combination's loss exceeds the smaller one's
(MoFe). In the released code a violated order also raises the smaller combination's loss;
``best`` does not (`detach_fewer`).

Departures. The source's experts are first trained by themselves, which it calls optional; here all
is trained together. Its gating network convolves the modalities' images together; here each has a
small encoder of its own, so that modalities may differ in shape, and the layers after it read what
is visible. Its pair is drawn from all nested pairs that do not start from the full combination;
here the sampler draws the first combination. Its code predicts volumes with Dice and binary
cross-entropy, each ranked by itself; here the cross-entropy is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from torch import nn

    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class SimMLMSettings(SFMDSettings):
    """Settings of ``simmlm``.

    Attributes:
        rank_weight: Weight of the ranking of nested combinations; 0 for two combinations without
            the ranking.
        detach_fewer: Whether the ranking leaves the smaller combination's loss alone.
        gate_width: Number of features that the gating network has of each modality.
    """

    name: ClassVar[str] = "simmlm"
    summary: ClassVar[str] = (
        "experts mixed by a gating network, nested masks ranked (Li et al. 2025)"
    )
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"detach_fewer": False},
        "released": {"detach_fewer": False},
    }

    encodes: Literal["mask", "present"] = "present"
    rank_weight: float = 0.1
    detach_fewer: bool = True
    gate_width: int = 16

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.unimodal import LateFusion

        return LateFusion

    def parts(self, task: Task) -> NetworkParts:
        """Return gated experts and their mixture.

        Raises:
            ValueError: If the network's main modality is not one of the task's.
        """
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.experts.simmlm import (
            GatedExpert,
            GatedPixelExpert,
            GateEncoder,
            Mixture,
        )
        from dmrnet.nn.systems.experts.unimodal import AsLogits, build_experts
        from dmrnet.targets import outputs_of

        if self.gate_width < 1:
            raise ValueError(f"expected gate_width of 1 or more, got {self.gate_width}")
        outputs = outputs_of(task)
        inputs = dict(zip(task.modalities, task.inputs, strict=True))

        def gated(name: str, parts: NetworkParts) -> nn.Module:
            gate = GateEncoder(inputs[name], self.gate_width)
            if task.dense:
                return GatedPixelExpert(name, parts, outputs, gate)
            return GatedExpert(name, parts, gate)

        experts, stride = build_experts(self.network, task, gated)
        fusion = Mixture(task.modalities, outputs, self.gate_width, stride)
        return NetworkParts(experts, fusion, outputs, AsLogits(task.dense))

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the ranking of nested combinations."""
        from dmrnet.objectives.systems.more_vs_fewer import MoreVsFewer

        return (MoreVsFewer(self.rank_weight, self.detach_fewer),)
