"""unimodal: one network for each modality, trained by itself (Fig. 1's ideal).

V networks of one family, each with its own encoder, trunk and predictor and trained on every sample
that has its modality. They share nothing, and nothing is dropped: with complete data each is what
training on that modality alone gives, except that the same epoch is kept for all. The loss is the
sum of their losses,

``L = 1/N sum_i sum_v present_iv CE(f_v(x_iv), y_i)``;

in dense tasks a sample's loss covers its pixels and scales. The figure compares single modalities
only; for a combination we average its networks' logits, or their probabilities.

The mean of logits is a product of experts: its softmax is the normalised geometric mean of the
networks' probabilities (Hinton, Neural Computation 2002), so that one network which is sure that a
class is wrong can rule it out. The mean of probabilities is a mixture: a class stays likely as long
as one network is for it. If modalities are independent given the class, log p(y | x) is the sum of
the log p(y | x_v) up to the class prior, which is the form of the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.full import check_undropped
from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class UnimodalSettings(MethodSettings):
    """Settings of ``unimodal``.

    Attributes:
        combine: Average over the visible modalities: logits (a product of experts) or probabilities
            (a mixture).
    """

    name: ClassVar[str] = "unimodal"
    summary: ClassVar[str] = "one network per modality, each trained by itself (Fig. 1's ideal)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}, "paper": {}, "released": {}}

    encodes: Literal["mask", "present"] = "present"
    combine: Literal["probabilities", "logits"] = "logits"

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.unimodal import Unimodal

        return Unimodal

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If the network's main modality is not one of the task's.
        """
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.experts.unimodal import AsLogits, ExpertAverage, build_experts
        from dmrnet.targets import outputs_of, target_of

        check_undropped(self.name, self.encodes)
        experts, stride = build_experts(self.network, task)
        fusion = ExpertAverage(task.modalities, self.combine, stride, target_of(task))
        parts = NetworkParts(experts, fusion, outputs_of(task), AsLogits(task.dense))
        return self.assemble(task, parts)
