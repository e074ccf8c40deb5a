"""unimodal: one network a modality, each trained by itself (Fig. 1's ideal).

V networks of the same family, each with its own encoder, trunk and predictor, trained on every
sample that has its modality; nothing is shared and nothing is dropped, so that with complete data
each is what training on that modality alone gives (but for the epoch that is kept, which is one for
all of them). The loss is the sum of theirs,

``L = 1/N sum_i sum_v present_iv CE(f_v(x_iv), y_i)``.

Where every pixel has a class, a sample's loss is that over its pixels and scales, divided as the
batch's is. The figure compares single modalities only. What a combination scores is our definition:
the average of its experts' probabilities (or of their logits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.full import check_undropped
from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from torch import nn

    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class UnimodalSettings(MethodSettings):
    """Settings of ``unimodal``.

    Attributes:
        combine: What is averaged over the modalities shown: probabilities or logits.
    """

    name: ClassVar[str] = "unimodal"
    summary: ClassVar[str] = "one network a modality, each trained by itself (Fig. 1's ideal)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}, "paper": {}, "released": {}}

    encodes: Literal["mask", "present"] = "present"
    combine: Literal["probabilities", "logits"] = "probabilities"

    def build(self, task: Task) -> Method:
        """Put V networks side by side.

        Raises:
            ValueError: If the network's main modality is none of the task's.
        """
        from dmrnet.methods.modules.unimodal import Unimodal
        from dmrnet.modalities.names import position
        from dmrnet.nn.networks.custom_fusion import single_modality_network
        from dmrnet.nn.representation import Point
        from dmrnet.nn.systems.unimodal import AsLogits, Expert, ExpertAverage, PixelExpert

        check_undropped(self.name, self.encodes)
        if self.network.main is not None:
            position(self.network.main, task.modalities)
        experts: dict[str, nn.Module] = {}
        stride = None
        for name in task.modalities:
            parts = single_modality_network(self.network, task, name)
            if task.dense:
                stride = parts.fusion.stride
                experts[name] = PixelExpert(name, parts, len(task.classes))
            else:
                experts[name] = Expert(name, parts)
        return Unimodal(
            task,
            encoders=experts,
            fusion=ExpertAverage(task.modalities, self.combine, stride),
            predictor=AsLogits(task.dense),
            representation=Point(len(task.classes)),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
