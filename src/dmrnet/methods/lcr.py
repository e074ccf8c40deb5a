"""LCR: latent correlation representation (Zhou, Canu, Vera, Ruan, MICCAI 2020).

Encoders as in SF-MD; then every modality's features are expressed by the others',

``F_i = sum_{j != i} Gamma_ij f_j + Gamma_i0``,  ``Gamma_i = W2 LeakyReLU(W1 GAP(f_i))``,

and the F_i, side by side, go through the trunk: what the trunk reads of a missing modality is what
the others know of it. Cross-entropy, and the divergence between f_i and F_i where `correlation` is
above 0. With one modality ``F = Gamma_1 f + Gamma_0``.

Departures: no code of the paper was found, and this follows the adaptation released with DMRNet:
one number a summand (the paper's has one a channel: `channelwise`) and cross-entropy only. That
adaptation blanks images and encodes the blanks, so that batch norms see black images and training
and test differ; here features are hidden. Not here: the paper's attention over the F_i, and the
most similar modality in a missing one's place. The divergence's weight was not to be had; .1 in the
recipe ``paper`` is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.modalities import Task
from dmrnet.nn.correlation import CorrelationFusion, Correlations
from dmrnet.nn.parts import Parts
from dmrnet.nn.trunks import mixed
from dmrnet.objectives import Term
from dmrnet.objectives.correlation import Correlation


@dataclass(frozen=True)
class LCRSettings(SFMDSettings):
    """Settings of ``lcr``.

    Attributes:
        own: A modality is expressed by itself as well, and not by the others alone.
        channelwise: A number for every channel in the expression, and not one for all of them.
        correlation: Weight of the divergence between features and their expression.
    """

    name: ClassVar[str] = "lcr"
    summary: ClassVar[str] = "each modality expressed linearly by the others (Zhou et al. 2020)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present", "channelwise": True, "correlation": 0.1},
        "released": {"encodes": "present"},
    }

    own: bool = False
    channelwise: bool = False
    correlation: float = 0.0

    def parts(self, task: Task) -> Parts:
        """Return the family's network with correlations between encoders and trunk."""
        return mixed(
            self.network,
            task,
            self.name,
            lambda v, c: (Correlations(v, c, self.own, self.channelwise), v * c),
            CorrelationFusion,
        )

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the correlation term, if it has a weight."""
        own = self.own or len(task.modalities) == 1
        return (Correlation(self.correlation, own),) if self.correlation else ()
