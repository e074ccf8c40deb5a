"""DGL: disentangled gradient learning (Wei et al., ICCV 2025), with modality dropout.

Encoders learn from losses of single modalities alone, the fused part on detached features:

``theta_v <- alpha grad CE(u_v(f_v), y)``,  ``phi <- grad CE(r_S({sg(f_v)}), y)``,

with sg the stop-gradient. The prediction is r_S, the fused one. `heads` says what u_v is: a linear
classifier for each modality on its pooled map, ``u_v = W_v GAP(f_v)``; or (``shared``, recipes
``paper`` and ``released``) the fused part itself on that modality alone, whose parameters get no
gradient from these losses. alpha is 4 in the released code's defaults.

Departures: masks are drawn for the fused part, where the source has complete data; gradients are
clipped by modality, and those of the fused part by themselves, where the source clips all together
at 40. For every pixel the form is ours: a decoder for each modality, or the fused one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class DGLSettings(SFMDSettings):
    """Settings of ``dgl``.

    Attributes:
        alpha: Weight of the losses of single modalities.
        heads: Predictors of single modalities: own (one per modality, linear for classification) or
            shared (the fused part, whose parameters are constant there).
    """

    name: ClassVar[str] = "dgl"
    summary: ClassVar[str] = "encoders learn from losses of single modalities (Wei et al. 2025)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"heads": "shared"},
        "released": {"heads": "shared"},
    }

    encodes: Literal["mask", "present"] = "present"
    alpha: float = 4.0
    heads: Literal["own", "shared"] = "own"

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.dgl import DGL

        return DGL

    def parts(self, task: Task) -> NetworkParts:
        """Return the network, whose fusion reads detached features."""
        from dataclasses import replace

        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.experts.fusion import DetachedFusion
        from dmrnet.nn.systems.experts.network import expert_network

        if self.heads not in ("own", "shared"):
            raise ValueError(f"expected heads as own or shared, got {self.heads!r}")
        if self.heads == "shared":
            parts = self.network.build(task)
            return replace(parts, fusion=DetachedFusion(parts.fusion))
        own = expert_network(self.network, task, trunks=False)
        fused = own.build_fused()
        fusion = DetachedFusion(fused.fusion)
        return NetworkParts(own.experts, fusion, fused.channels, fused.predictor)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the losses of single modalities."""
        from dmrnet.objectives.systems.experts import ExpertLosses

        return (ExpertLosses(self.alpha),)
