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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Encodes, Features, Method
from dmrnet.methods.full import Undropped, check_undropped
from dmrnet.methods.settings import MethodSettings
from dmrnet.modalities import Inputs, Task, Where
from dmrnet.modalities.names import position
from dmrnet.nn import Point
from dmrnet.nn.layers.gather import ManyMaps, encode_rows, feature_name, output_shape
from dmrnet.nn.networks.trunks import of_one
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.experts import AsLogits, Combine, Expert, ExpertAverage, PixelExpert
from dmrnet.objectives import TaskLoss, View
from dmrnet.objectives.task import cross_entropy


class Unimodal(Undropped):
    """A method whose encoders are whole networks, with a loss each."""

    def view(
        self, feats: Inputs, mask: Tensor, target: Tensor, generator: torch.Generator | None = None
    ) -> View:
        """Average the experts; the task loss is the sum of the losses of those that are shown."""
        view = super().view(feats, mask, target, generator)
        total = torch.zeros_like(view.task.per_sample)
        for name, column in zip(self.modalities, mask.unbind(1), strict=True):
            alone = self.loss_of(name, feats, target)
            total = total + torch.where(column, alone.per_sample, 0.0)
        return replace(view, task=TaskLoss(total, view.task.normaliser, view.task.size))

    def loss_of(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of the expert of one modality."""
        if not self.task.dense:
            return cross_entropy(feats[name].flatten(1), target, self.smoothing)
        scales = takewhile(feats.__contains__, (feature_name(name, level) for level in count()))
        main, *side = (feats[scale] for scale in scales)
        return self.task_loss(Output(main, tuple(side)), target)

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return the experts: one that learns fast does not hold up the others."""
        return tuple(self.encoders)

    def maps(self, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
        """Return the map of each expert's encoder; what `encode` returns are its logits."""
        maps: Features = {}
        for modality, expert in zip(self.task.inputs, self.encoders, strict=True):
            x, rows = inputs[modality.name], where[modality.name]
            if isinstance(expert, PixelExpert):
                assert isinstance(expert.encoder, ManyMaps)
                maps |= expert.encoder.encode(modality.name, x, rows)
                continue
            assert isinstance(expert, Expert)
            shape = output_shape(expert.encoder, modality.shape)
            maps[modality.name] = encode_rows(expert.encoder, x, rows, shape)
        return super().maps(inputs, where, maps)

    def embedding(self, feats: Inputs, mask: Tensor) -> Tensor:
        """Refuse: experts are averaged by what they predict.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "unimodal has no embedding of a combination, since its networks are averaged by what "
            "they predict; compare the angles of sf-md, head-only and dmr"
        )


@dataclass(frozen=True)
class UnimodalSettings(MethodSettings):
    """Settings of ``unimodal``.

    Attributes:
        combine: What is averaged over the modalities shown: probabilities or logits.
    """

    name: ClassVar[str] = "unimodal"
    summary: ClassVar[str] = "one network a modality, each trained by itself (Fig. 1's ideal)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}, "paper": {}, "released": {}}

    encodes: Encodes = "present"
    combine: Combine = "probabilities"

    def build(self, task: Task) -> Method:
        """Put V networks side by side.

        Raises:
            ValueError: If the network's main modality is none of the task's.
        """
        check_undropped(self.name, self.encodes)
        if self.network.main is not None:
            position(self.network.main, task.modalities)
        experts: dict[str, nn.Module] = {}
        stride = None
        for name in task.modalities:
            parts = of_one(self.network, task, name)
            if task.dense:
                stride = int(getattr(parts.fusion, "stride", 1))
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
