"""Several labels per sample, each of which it has or not: logits, binary cross-entropy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Task
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets.base import Target, TaskLoss, refuse_smoothing
from dmrnet.targets.classes import UNLABELLED, log_mean


def binary_cross_entropy(logits: Tensor, target: Tensor) -> TaskLoss:
    """Return the binary cross-entropy of each sample, averaged over the labels.

    Args:
        logits: Logits ``(B, M)``.
        target: 0 or 1, ``(B, M)``.

    >>> loss = binary_cross_entropy(torch.zeros(2, 3), torch.tensor([[0, 1, 1], [0, 0, 0]]))
    >>> round(float(loss.mean), 4)
    0.6931
    """
    logits = at_least_float32(logits)
    losses = F.binary_cross_entropy_with_logits(logits, target.to(logits), reduction="none")
    return TaskLoss.of_samples(losses.mean(1))


class MultiLabel(Target):
    """M labels, of which a sample has some or none; targets are int64 ``(n, M)`` of 0 and 1."""

    name: ClassVar[str] = "multi-label"
    counts: ClassVar[bool] = False

    def loss(self, outputs: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
        """Return the binary cross-entropy of each sample, averaged over the labels."""
        refuse_smoothing(smoothing, "several labels")
        return binary_cross_entropy(outputs, target)

    def probabilities(self, predictions: Tensor) -> Tensor:
        """Return the probability of each label."""
        return predictions.sigmoid()

    def decide(self, probabilities: Tensor) -> Tensor:
        """Return the labels with a probability above one half, bool ``(..., M)``."""
        return probabilities > 0.5

    def log_loss(self, predictions: Tensor, target: Tensor) -> Tensor | None:
        """Return the binary cross-entropy, averaged over the labels."""
        expanded = target.to(predictions).expand_as(predictions)
        losses = F.binary_cross_entropy_with_logits(predictions, expanded, reduction="none")
        return losses.mean(-1).double()

    def labelled(self, target: Tensor) -> Tensor:
        """Return which samples have labels that are known."""
        return (target >= 0).all(1)

    def rows_by_class(self, target: Tensor, classes: int) -> Tensor | None:
        """Return the number of samples with each label."""
        return (target > 0).sum(0)

    def unlabelled(self, rows: int, task: Task) -> Tensor:
        """Return int64 ``(n, M)`` of `UNLABELLED`."""
        return torch.full((rows, len(task.classes)), UNLABELLED)

    def check(self, target: Tensor, task: Task) -> None:
        """Raise `ValueError` unless targets are int64 ``(n, M)`` of 0 and 1, or -1 for none."""
        many = len(task.classes)
        if target.dtype != torch.int64 or target.dim() != 2 or target.shape[1] != many:
            raise ValueError(
                f"expected target as int64 (samples, {many}), a column for each of "
                f"{', '.join(task.classes)}; got {target.dtype} {tuple(target.shape)}"
            )
        low, high = int(target.min()), int(target.max())
        if low < UNLABELLED or high > 1:
            raise ValueError(f"expected targets of 0 and 1, got {low} to {high}")

    def strata(self, target: Tensor) -> Tensor:
        """Return the rarest label of each sample, so that a split has some of each; M for none."""
        has = target > 0
        rarity = torch.where(has, has.sum(0), len(target) + 1)
        return torch.where(has.any(1), rarity.argmin(1), target.shape[1])

    def mixture(self, outputs: Tensor, hidden: Tensor, dim: int) -> Tensor:
        """Return the logit of the mean of the predictors' probabilities."""
        outputs = at_least_float32(outputs)
        yes, no = (log_mean(F.logsigmoid(side), hidden, dim) for side in (outputs, -outputs))
        return yes - no

    def divergence(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Return ``T^2 KL(teacher || student)`` of sigmoid(logits / T), averaged over labels."""
        teacher = at_least_float32(teacher.detach() / temperature)
        student = at_least_float32(student / temperature)
        p = teacher.sigmoid()
        yes = p * (F.logsigmoid(teacher) - F.logsigmoid(student))
        no = (1 - p) * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
        return temperature**2 * (yes + no).mean()

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return (p - y) over the number of labels."""
        return (outputs.sigmoid() - target.to(outputs)) / outputs.shape[1]

    def curvature(self, columns: Tensor, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the products of columns, weighted by p (1 - p) over the number of labels."""
        p = outputs.sigmoid()
        weight = p * (1 - p) / outputs.shape[1]
        return torch.einsum("ncm,nm,ndm->cd", columns, weight, columns)
