"""MMPareto-MD: own losses of encoders whose gradients do not oppose the fused loss's.

MMPareto (Wei and Hu, ICML 2024) with modality dropout. Each modality has a linear classifier on its
own pooled features, whose loss is added to the fused loss. An encoder gets two gradients, g_m of
the fused loss and g_u of its own:

``h = 2 k g_m + 2 (1 - k) g_u``

with equal weights where their cosine is positive and otherwise the weights of smallest norm,
brought to the norm of ``g_m + g_u`` and enlarged by gamma. Fusion and classifiers get the plain
gradients of the sum.

Departures. Fused predictions are under random masks, and the network is that of all methods (the
source concatenates two pooled vectors before a linear layer). The encoders' own losses cover every
modality that a sample has, masked or not, divided by the batch. The released code compares norms
tensor by tensor, after a cosine of the whole encoder; `rescale` does so in ``released``.

A step goes backwards through the encoders twice. With several processes the encoders' own gradients
are reduced by an exchange of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.mmpareto_md import MMParetoMD
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.objectives.systems.pareto import UnimodalLosses


@dataclass(frozen=True)
class MMParetoMDSettings(SFMDSettings):
    """Settings of ``mmpareto-md``.

    Attributes:
        gamma: Factor that enlarges the gradients of encoders; above 0.
        rescale: Norms that are compared: of each encoder, or of each tensor (as released).
    """

    name: ClassVar[str] = "mmpareto-md"
    summary: ClassVar[str] = "own losses of encoders, gradients integrated (Wei and Hu 2024)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {},
        "released": {"rescale": "tensor"},
    }

    encodes: Literal["mask", "present"] = "present"
    gamma: float = 1.5
    rescale: Literal["encoder", "tensor"] = "encoder"

    @property
    def method_class(self) -> type[MMParetoMD]:
        """Class of the method."""
        from dmrnet.methods.modules.mmpareto_md import MMParetoMD

        return MMParetoMD

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If gamma or rescale is not allowed, or modalities have no maps of their own.
        """
        if not self.gamma > 0:
            raise ValueError(f"expected gamma above 0, got {self.gamma}")
        if self.rescale not in ("encoder", "tensor"):
            raise ValueError(f"expected rescale as encoder or tensor, got {self.rescale!r}")
        if self.network.family == "esanet":
            raise ValueError(
                "mmpareto-md classifies each modality from its own map, and ESANet's main stream, "
                "which predicts every pixel, has none; use the generic network "
                "(family of the network, --method.network.family)"
            )
        parts = self.network.build(task)
        terms = (self.own_losses(task, parts), *self.mutual_terms(task))
        method = self.assemble(task, parts, terms)
        assert isinstance(method, self.method_class)
        method.gamma, method.rescale = self.gamma, self.rescale
        return method

    def own_losses(self, task: Task, parts: NetworkParts) -> UnimodalLosses:
        """Return the losses of single modalities, on each one's deepest map."""
        from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
        from dmrnet.nn.encoders.rows import output_shape
        from dmrnet.objectives.systems.pareto import UnimodalLosses

        features, channels = [], []
        for modality in task.inputs:
            encoder = parts.encoders[modality.name]
            if isinstance(encoder, MultiLevelEncoder):
                features.append(feature_name(modality.name, len(encoder.widths) - 1))
                channels.append(encoder.widths[-1])
            else:
                features.append(modality.name)
                channels.append(output_shape(encoder, modality.shape)[0])
        return UnimodalLosses(task, features, channels)
