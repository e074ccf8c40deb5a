"""Counts of predicted classes by combination, which MMANet compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrnet.objectives.statistics import CombinationSums


class PredictedClasses(CombinationSums):
    """Counts predicted classes of samples that show all modalities, or all but one.

    Row v counts samples that only lack modality v, the last row samples that show all.

    Args:
        modalities: Number of modalities, V.
        classes: Number of classes, M.
    """

    def __init__(self, modalities: int, classes: int) -> None:
        nn.Module.__init__(self)
        self.sums = torch.zeros(modalities + 1, classes, dtype=torch.float64)
        self.counts = torch.zeros(modalities + 1, dtype=torch.float64)

    def update(self, mask: Tensor, values: Tensor) -> None:
        """Add samples, without a gradient and without synchronising the device.

        Args:
            mask: Bool tensor of shape ``(B, V)``.
            values: Logits ``(B, M)``, or ``(B, M, H, W)``.
        """
        hidden = (~mask).sum(1)
        row = torch.where(hidden == 0, mask.shape[1], mask.long().argmin(1))
        counted = (hidden < 2).double()
        predicted = values.detach().argmax(1).unsqueeze(1).flatten(1)
        cell = row[:, None] * self.sums.shape[1] + predicted
        each = counted[:, None].expand_as(cell)
        self.sums.view(-1).index_add_(0, cell.flatten(), each.flatten())
        self.counts.index_add_(0, row, counted)
