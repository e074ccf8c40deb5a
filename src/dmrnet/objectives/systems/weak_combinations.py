"""MMANet's ranking of combinations by their predictions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dmrnet.objectives.statistics import Add
from dmrnet.objectives.systems.predicted_classes import PredictedClasses

RankOn = Literal["train", "val"]
"""Predictions that rank combinations: of the training steps, or of the validation set."""

RankBy = Literal["frequencies", "softmax"]
"""Divergence of predictions: between class frequencies over all ranking epochs, or between the
softmax of each epoch's frequencies, as released."""


class WeakCombinations(nn.Module):
    r"""Finds the combination of all modalities but one that predicts most differently from all.

    .. math:: P = \arg\max_v KL(h_{all} \| h_{-v})

    with h the frequencies of predicted classes over the ranking epochs, one added to each count. P
    and its subsets are weak. With two modalities each is weak alone, without ranking; with a single
    modality nothing is weak.

    Source: Wei et al., CVPR 2023. The released code, for three modalities, takes the softmax of the
    frequencies (``softmax``), reverses the divergence, and adds it over epochs,

    .. math:: P = \arg\max_v \sum_t KL(softmax(h^t_{-v}) \| softmax(h^t_{all}))

    Args:
        modalities: Number of modalities, V.
        classes: Number of classes, M.
        first_epoch: First epoch of ranking, counted from 0.
        last_epoch: Last epoch of ranking, after which P is fixed.
        on: Predictions that are counted; see `RankOn`.
        by: Divergence of predictions; see `RankBy`.
    """

    totals: Tensor
    distances: Tensor
    strong: Tensor
    ranked: Tensor
    epochs: Tensor

    def __init__(
        self,
        modalities: int,
        classes: int,
        first_epoch: int,
        last_epoch: int,
        on: RankOn = "train",
        by: RankBy = "frequencies",
    ) -> None:
        super().__init__()
        if on not in ("train", "val"):
            raise ValueError(f"expected rank_on as train or val, got {on!r}")
        if by not in ("frequencies", "softmax"):
            raise ValueError(f"expected rank_by as frequencies or softmax, got {by!r}")
        self.modalities = modalities
        self.first_epoch, self.last_epoch = first_epoch, last_epoch
        self.on, self.by = on, by
        self.seen = PredictedClasses(modalities, classes)
        self.register_buffer("totals", torch.zeros(modalities + 1, classes, dtype=torch.float64))
        self.register_buffer("distances", torch.zeros(modalities, dtype=torch.float64))
        # The modality that P lacks.
        self.register_buffer("strong", torch.zeros(modalities, dtype=torch.bool))
        self.register_buffer("ranked", torch.zeros((), dtype=torch.bool))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def ranks(self, epoch: int) -> bool:
        """Return whether combinations are ranked in an epoch, counted from 0."""
        return self.modalities > 2 and self.first_epoch <= epoch <= self.last_epoch

    def compared(self) -> Tensor:
        """Return the combinations that are compared, bool ``(V + 1, V)``; the last shows all."""
        every = torch.ones(1, self.modalities, dtype=torch.bool)
        return torch.cat([~torch.eye(self.modalities, dtype=torch.bool), every])

    def on_validation_predictions(self, counts: Tensor) -> None:
        """Take the counts of predicted classes on validation, ``(V + 1, M)``, as the epoch's."""
        self.seen.reset()
        self.seen.sums += counts.to(self.seen.sums)
        self.seen.counts += counts.sum(1).to(self.seen.counts)

    def end_epoch(self, add: Add | None = None) -> None:
        """Add the epoch's counts and rank.

        Args:
            add: Sums a tensor over processes; None for a single process.
        """
        # Counts of the validation set are the same on all processes.
        now = self.seen.close(add if self.on == "train" else None).sums
        epoch = int(self.epochs)
        self.epochs += 1
        if not self.ranks(epoch):
            return
        self.totals += now
        if self.by == "softmax":
            # A combination that was not predicted in an epoch adds nothing.
            both = (now[:-1].sum(1) > 0) & (now[-1].sum() > 0)
            self.distances += torch.where(both, softmax_divergence(now), 0.0)
        else:
            self.distances.copy_(frequency_divergence(self.totals))
        counted = self.totals.sum(1) > 0
        if bool(counted[-1]) and bool(counted[:-1].any()):
            self.strong.zero_()
            self.strong[int(torch.where(counted[:-1], self.distances, -torch.inf).argmax())] = True
            self.ranked.fill_(True)

    def is_weak(self, mask: Tensor) -> Tensor:
        """Return bool ``(B,)``: whether each mask ``(B, V)`` is weak."""
        if self.modalities < 3:
            return mask.sum(1) < self.modalities
        return ~(mask & self.strong).any(1) & self.ranked


def frequency_divergence(counts: Tensor) -> Tensor:
    """Return ``KL(last row || row)`` of the frequencies of counts ``(V + 1, M)``; ``(V,)``.

    One is added to each count.
    """
    h = counts + 1
    h = h / h.sum(1, keepdim=True)
    return (h[-1] * (h[-1] / h[:-1]).log()).sum(1)


def softmax_divergence(counts: Tensor) -> Tensor:
    """Return ``KL(softmax(row) || softmax(last row))`` of the frequencies of counts ``(V + 1, M)``.

    As in the released code; ``(V,)``.
    """
    h = counts / counts.sum(1, keepdim=True).clamp(min=1)
    log_p = h.log_softmax(1)
    return (log_p[:-1].exp() * (log_p[:-1] - log_p[-1])).sum(1)
