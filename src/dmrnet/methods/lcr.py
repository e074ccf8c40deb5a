"""LCR: latent correlation representation (Zhou, Canu, Vera, Ruan, MICCAI 2020).

Encoders as in SF-MD, then each modality's features are expressed by those of the others,

``F_i = sum_{j != i} Gamma_ij f_j + Gamma_i0``,  ``Gamma_i = W2 LeakyReLU(W1 GAP(f_i))``,

and the trunk reads all F_i side by side, so that a missing modality is replaced by its expression.
Cross-entropy, and the divergence between f_i and F_i if `correlation` is above 0. With one modality
``F = Gamma_1 f + Gamma_0``.

The paper (recipe ``paper``) adds attention to channels and positions (`attention`), a coefficient
for each channel (`channelwise`), and replaces a missing modality by the most similar visible one
(`stand_in`).

Departures: no code of the paper was found. The recipe ``released`` is the adaptation released with
DMRNet: one coefficient for each summand, no attention, cross-entropy only. It blanks hidden images
in training (`hides inputs`), so that the encoders and their batch norms see black images, but at
test time it zeros features; here features are zeroed in both. In the paper the most similar
modality is known from its data and its image is encoded instead; here similarity is measured in
training, by the divergence above, and features are replaced, since modalities may differ in shape.
The paper does not state the weight of the divergence (.1 in ``paper`` is a guess) or the details of
the attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.lcr import LCR
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class LCRSettings(SFMDSettings):
    """Settings of ``lcr``.

    Attributes:
        own: Whether a modality takes part in its own expression.
        channelwise: Whether the expression has a coefficient for each channel, instead of one for
            all channels.
        attention: Whether the expressions go through attention to channels and positions.
        stand_in: Whether a hidden modality's features are replaced by those of the most similar
            visible modality, instead of zeros.
        hides: What is zero for a hidden modality in training: features or inputs (the encoder sees
            a blank input).
        correlation: Weight of the divergence between features and their expression.
    """

    name: ClassVar[str] = "lcr"
    summary: ClassVar[str] = "each modality expressed linearly by the others (Zhou et al. 2020)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {
            "encodes": "present",
            "channelwise": True,
            "attention": True,
            "stand_in": True,
            "correlation": 0.1,
        },
        "released": {"encodes": "present", "hides": "inputs"},
    }

    own: bool = False
    channelwise: bool = False
    attention: bool = False
    stand_in: bool = False
    hides: Literal["features", "inputs"] = "features"
    correlation: float = 0.0

    @property
    def method_class(self) -> type[LCR]:
        """Class of the method."""
        from dmrnet.methods.modules.lcr import LCR

        return LCR

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If blanked inputs are combined with a setting that needs hidden features.
        """
        if self.hides not in ("features", "inputs"):
            raise ValueError(f"expected hides as features or inputs, got {self.hides!r}")
        method = super().build(task)
        assert isinstance(method, self.method_class)
        method.hides = self.hides
        if self.hides == "inputs":
            if self.encodes != "present":
                raise ValueError("blanked inputs are encoded too; set encodes to present")
            if self.stand_in:
                raise ValueError("stand_in replaces hidden features; set hides to features")
            if self.correlation or self.mutual is not None:
                raise ValueError(
                    "correlation and mutual need features to be hidden; set hides to features"
                )
        return method

    def parts(self, task: Task) -> NetworkParts:
        """Return the network with correlations between encoders and trunk."""
        from torch import nn

        from dmrnet.nn.networks.custom_fusion import build_mixed_network, common_width
        from dmrnet.nn.systems.lcr import CorrelationFusion, Correlations, DualAttention, StandIn

        parts = build_mixed_network(
            self.network,
            task,
            self.name,
            lambda v, c: (Correlations(v, c, self.own, self.channelwise), v * c),
            CorrelationFusion,
        )
        assert isinstance(parts.fusion, CorrelationFusion)
        if self.stand_in:
            parts.fusion.stand_in = StandIn(len(task.modalities))
        if self.attention:
            width = common_width(feature_shapes(task, parts.encoders), self.name)
            attend = DualAttention(len(task.modalities) * width)
            parts.fusion.trunk = nn.Sequential(attend, parts.fusion.trunk)
        return parts

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the correlation term, if its weight is not 0."""
        from dmrnet.objectives.systems.correlation import Correlation

        own = self.own or len(task.modalities) == 1
        return (Correlation(self.correlation, own),) if self.correlation else ()
