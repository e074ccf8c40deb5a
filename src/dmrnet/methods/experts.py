"""experts: a predictor for each modality next to the shared fusion, weighed on validation (ours).

1. The fused part r_S is `sf-md`'s network, trained by cross-entropy under random masks.
2. Each modality has an expert: trunk and classifier on its encoder's map,
   ``u_v = W_v GAP(trunk_v(f_v))``, trained by its own cross-entropy on every sample that has the
   modality, whatever the mask shows (with ``encodes mask``, on those that show it). A share of its
   gradient reaches the encoder, next to the gradient of the fused part; all of it by default, which
   was no worse on validation of four real sets. With `share` 0 the experts read what the fused
   part has learnt: better where single modalities cannot predict the class, since experts that may
   change their encoders then memorise labels, and the encoder forgets what only several predict.
3. The prediction weighs both by the number of visible modalities,

   ``z_S = b_|S| r_S + sum_{v in S} w_{|S|,v} u_v``,  ``b, w >= 0``.

   The weights are fitted on validation, since on the training samples experts that have memorised
   them look certain. They cost one pass over validation whenever weights are selected.
4. Gradients are clipped by head, and those of the fused part with the encoders by themselves.

The mean of logits is a product of experts: its softmax is the normalised geometric mean of the
experts' probabilities (Hinton, Neural Computation 2002).

Other forms: ``fuses residual`` is ``z_S = r_S + a_|S| mean_{v in S} sg(u_v)``, ``z_{v} = u_v``,
with r on detached features sg(f_v), sg the stop-gradient, and one learned scale a for each number
of modalities; encoders learn from the experts alone, gradients are clipped by expert, and the fused
part learns only what the experts together miss. ``fuses none`` leaves the experts alone. The fused
part may have the paper's Gaussian (`distribution`), and the mutual divergence may be added
(`mutual`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.dmr import check_placement, gaussian_head
from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.representation import RepresentationHead
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class ExpertsSettings(SFMDSettings):
    """Settings of ``experts``.

    Attributes:
        pooling: Pooling of the visible experts: mean of logits, mean of probabilities, or sum of
            logits with weights by modality and by number of modalities (weights), which are fitted
            on validation, as is that of the fused part. In dense tasks they are not fitted.
        fuses: Fused part: a network that learns by itself and whose loss reaches the encoders, a
            residual of the pooled experts on detached features, or none.
        share: Share of an expert's gradient that reaches its encoder, next to a fused network;
            otherwise all of it does, since nothing else trains the encoders.
        distribution: Gaussian in the fused part: none, on its map (DMR), on its pooled vector (PE)
            or on its attention-pooled vector (PCME).
        alpha: Weight of the distribution term (Eq. 9), if there is a Gaussian.
        reduction: Reduction of the KL: sum, position (sum over channels, mean over positions) or
            mean.
    """

    name: ClassVar[str] = "experts"
    summary: ClassVar[str] = (
        "a predictor per modality next to the fusion, weighed on validation (ours)"
    )
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    encodes: Literal["mask", "present"] = "present"
    pooling: Literal["logits", "probabilities", "weights"] = "weights"
    fuses: Literal["network", "residual", "none"] = "network"
    share: float = 1.0
    distribution: Literal["none", "map", "vector", "attention"] = "none"
    alpha: float = 1e-3
    reduction: Literal["sum", "position", "mean"] = "position"

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.experts import Experts

        return Experts

    def representation(self, channels: int) -> RepresentationHead:
        """Return the head of the fused part."""
        if self.distribution == "none":
            return super().representation(channels)
        return gaussian_head(self.distribution, channels)

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If there is a Gaussian but no fused part, that of a dense task is on a
                vector, or a setting has no such value.
        """
        if self.fuses not in ("residual", "network", "none"):
            raise ValueError(f"expected fuses as residual, network or none, got {self.fuses!r}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"expected share from 0 to 1, got {self.share}")
        if self.distribution != "none":
            check_placement(task, self.distribution)
            if self.fuses == "none":
                raise ValueError(
                    "expected distribution as none, since there is no fused part for a Gaussian, "
                    f"got {self.distribution!r}"
                )
        return super().build(task)

    def parts(self, task: Task) -> NetworkParts:
        """Return the experts, the pool with the fused part, and its predictor."""
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.experts.fusion import ExpertPool, ExpertsFusion, Fuses
        from dmrnet.nn.systems.experts.network import expert_network
        from dmrnet.nn.systems.experts.unimodal import AsLogits
        from dmrnet.targets import outputs_of, target_of

        share = self.share if self.fuses == "network" else 1.0
        own = expert_network(self.network, task, share=share)
        fuses: Fuses = "network" if self.fuses == "network" else "residual"
        pool = ExpertPool(task.modalities, self.pooling, fuses, target_of(task))
        if self.fuses == "none":
            alone = ExpertsFusion(pool, None, own.stride)
            return NetworkParts(own.experts, alone, outputs_of(task), AsLogits(task.dense))
        fused = own.build_fused()
        fusion = ExpertsFusion(pool, fused.fusion, own.stride)
        return NetworkParts(own.experts, fusion, fused.channels, fused.predictor)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the experts' losses, and L_DR if there is a Gaussian."""
        from dmrnet.objectives.distribution import Distribution
        from dmrnet.objectives.systems.experts import ExpertLosses, VisibleExpertLosses

        own = ExpertLosses() if self.encodes == "present" else VisibleExpertLosses()
        if self.distribution == "none":
            return (own,)
        return (own, Distribution(self.alpha, self.reduction))
