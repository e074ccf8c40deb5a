"""ShaSpec's two auxiliary terms, over the present modalities of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.fusion import over_space
from dmrnet.objectives.term import Step, Term

AlignPairs = Literal["all", "cyclic", "chain"]
"""Pairs of modalities whose shared features are aligned: all pairs; neighbours, with the last and
the first; or neighbours only."""

Distance = Literal["l1", "mse"]
"""Distance between shared features: mean absolute or mean squared difference."""


def pairs_of(modalities: int, pairs: AlignPairs) -> list[tuple[int, int]]:
    """Return pairs of modalities, each pair once.

    >>> pairs_of(3, "all"), pairs_of(3, "chain"), pairs_of(2, "cyclic")
    ([(0, 1), (0, 2), (1, 2)], [(0, 1), (1, 2)], [(0, 1)])
    """
    if pairs == "all":
        return [(i, j) for i in range(modalities) for j in range(i + 1, modalities)]
    if pairs not in ("cyclic", "chain"):
        raise ValueError(f"expected pairs as all, cyclic or chain, got {pairs!r}")
    chain = [(i, i + 1) for i in range(modalities - 1)]
    return [*chain, (0, modalities - 1)] if pairs == "cyclic" and modalities > 2 else chain


class Align(Term):
    r"""Aligns the shared features of the modalities that a sample has: L_dao.

    .. math:: L = \frac1N \sum_n \sum_{(i, j)} [i, j \in n] \; \text{mean}_{c,h,w} d(r_i, r_j)

    Source: Wang et al., CVPR 2023 ("distribution alignment objective"); there over all modalities,
    missing ones included. With a single modality the term is 0.

    Args:
        weight: Weight of the term; .1 in the source.
        shared: Names of the modalities' shared features, in order.
        pairs: Pairs that are aligned; see `AlignPairs`.
        distance: Distance between features; see `Distance`.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(
        self,
        weight: float,
        shared: Sequence[str],
        pairs: AlignPairs = "all",
        distance: Distance = "l1",
    ) -> None:
        super().__init__("align", weight)
        if distance not in ("l1", "mse"):
            raise ValueError(f"expected align as l1 or mse, got {distance!r}")
        self.shared = tuple(shared)
        self.pairs = pairs_of(len(self.shared), pairs)
        self.distance = distance

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch."""
        shared = [step.feats[name] for name in self.shared]
        present = step.batch.present
        total = step.task.per_sample.new_zeros(())
        for i, j in self.pairs:
            difference = at_least_float32(shared[i] - shared[j]).flatten(1)
            by_sample = (difference.abs() if self.distance == "l1" else difference.square()).mean(1)
            total = total + torch.where(present[:, i] & present[:, j], by_sample, 0.0).sum()
        return total / len(present)


class TellModality(Term):
    r"""Classifies the modality from its specific features: L_dco.

    .. math:: L = \frac1{NV} \sum_n \sum_{v \in n} CE(D(\text{GAP}(s_v)), v)

    Source: Wang et al., CVPR 2023 ("domain classification objective"); there over all modalities,
    missing ones included. The classifier belongs to the term and is not used at inference.

    Args:
        weight: Weight of the term; .02 in the source.
        specific: Names of the modalities' specific features, in order.
        channels: Number of channels of the specific features.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, weight: float, specific: Sequence[str], channels: int) -> None:
        super().__init__("tell_modality", weight)
        self.specific = tuple(specific)
        self.classifier = nn.Linear(channels, len(self.specific))

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch and its modalities."""
        pooled = torch.stack(
            [step.feats[n].mean(over_space(step.feats[n])) for n in self.specific], 1
        )
        logits = at_least_float32(self.classifier(pooled))
        target = torch.arange(len(self.specific), device=logits.device).expand(logits.shape[:2])
        losses = F.cross_entropy(logits.mT, target, reduction="none")
        return torch.where(step.batch.present, losses, 0.0).mean()
