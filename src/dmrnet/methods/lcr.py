"""LCR: latent correlation representation (Zhou, Canu, Vera, Ruan, MICCAI 2020).

Encoders as in SF-MD; then every modality's features are expressed by the others',

``F_i = sum_{j != i} Gamma_ij f_j + Gamma_i0``,  ``Gamma_i = W2 LeakyReLU(W1 GAP(f_i))``,

and the F_i, side by side, go through the trunk: what the trunk reads of a missing modality is what
the others know of it. Cross-entropy, and the divergence between f_i and F_i where `correlation` is
above 0. With one modality ``F = Gamma_1 f + Gamma_0``.

In the paper the expressions go through attention to channels and to positions (`attention`, recipe
``paper``), a number of the expression belongs to one channel (`channelwise`), and for a modality
that is missing the most similar one of those that are there stands in (`stand_in`).

Departures: no code of the paper was found. The recipe ``released`` is the adaptation released with
DMRNet: one number a summand, no attention, cross-entropy only, and in training it is images that
are blanked (`hides inputs`), so that batch norms see black images and a hidden modality is what the
encoder makes of one, while at test its features are exact zeros. Here features are hidden at both.
Which modality is similar is a prior of the paper's data, and there its image is encoded in the
missing one's place; here it is measured in training, by the divergence above between features, and
features stand in, since modalities need not have one shape. The divergence's weight was not to be
had; .1 in ``paper`` is a guess, and so is how the attention is built.
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
        own: A modality is expressed by itself as well, and not by the others alone.
        channelwise: A number for every channel in the expression, and not one for all of them.
        attention: The expressions go through attention to channels and to positions.
        stand_in: For a hidden modality's features those of the most similar one that is shown
            stand in, and not zeros.
        hides: What stands for a hidden modality in training: features (of zeros) or inputs (what
            the encoder makes of a blank one).
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
    def kind(self) -> type[LCR]:
        """The class that the parts are put into."""
        from dmrnet.methods.modules.lcr import LCR

        return LCR

    def build(self, task: Task) -> Method:
        """Put the parts together.

        Raises:
            ValueError: If inputs are to be blanked where that cannot be.
        """
        if self.hides not in ("features", "inputs"):
            raise ValueError(f"expected hides as features or inputs, got {self.hides!r}")
        method = super().build(task)
        assert isinstance(method, self.kind)
        method.hides = self.hides
        if self.hides == "inputs":
            if self.encodes != "present":
                raise ValueError("blanked inputs are encoded too; set encodes to present")
            if self.stand_in:
                raise ValueError("nothing stands in for a blanked input; set hides to features")
            if self.correlation or self.mutual is not None:
                raise ValueError(
                    "correlation and mutual read features as they are when hidden; set hides to "
                    "features"
                )
        return method

    def parts(self, task: Task) -> NetworkParts:
        """Return the family's network with correlations between encoders and trunk."""
        from torch import nn

        from dmrnet.nn.networks.custom_fusion import build_mixed_network, common_width
        from dmrnet.nn.systems.lcr import (
            CorrelationFusion,
            Correlations,
            DualAttention,
            StandIn,
        )

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
        """Return the correlation term, if it has a weight."""
        from dmrnet.objectives.correlation import Correlation

        own = self.own or len(task.modalities) == 1
        return (Correlation(self.correlation, own),) if self.correlation else ()
