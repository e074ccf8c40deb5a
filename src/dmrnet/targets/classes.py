"""One class per sample, or a class for every pixel: logits, cross-entropy (Eq. 3 and 8)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Task
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets.base import Target, TaskLoss

UNLABELLED = -1
"""Target of a sample that has no class."""


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
    """Return the cross-entropy of each sample, normalised by the batch.

    Args:
        logits: Logits ``(B, M)``.
        target: Int64 tensor of shape ``(B,)``.
        smoothing: Share of the target that is spread over all classes.

    >>> loss = cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    >>> round(float(loss.mean), 4)
    1.3863
    """
    losses = F.cross_entropy(
        at_least_float32(logits), target, reduction="none", label_smoothing=smoothing
    )
    return TaskLoss.of_samples(losses)


class Classes(Target):
    """One of M classes; outputs are logits."""

    name: ClassVar[str] = "classes"

    def loss(self, outputs: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
        """Return the cross-entropy of each sample; targets are int64 ``(B,)``."""
        return cross_entropy(outputs, target, smoothing)

    def probabilities(self, predictions: Tensor) -> Tensor:
        """Return the softmax of logits."""
        return predictions.softmax(-1)

    def decide(self, probabilities: Tensor) -> Tensor:
        """Return the most probable class, int64 ``(...)``."""
        return probabilities.argmax(-1)

    def log_loss(self, predictions: Tensor, target: Tensor) -> Tensor | None:
        """Return -log p of the true class."""
        true_class = target.expand(len(predictions), -1).unsqueeze(2)
        return -predictions.log_softmax(-1).gather(2, true_class).squeeze(2).double()

    def defined(self, predictions: Tensor) -> Tensor:
        """Return whether the largest logit is finite: single classes may be impossible."""
        return predictions.amax(-1).isfinite()

    def labelled(self, target: Tensor) -> Tensor:
        """Return which samples have a class."""
        return target >= 0

    def rows_by_class(self, target: Tensor, classes: int) -> Tensor | None:
        """Return the number of samples of each class."""
        return target[target >= 0].bincount(minlength=classes)

    def unlabelled(self, rows: int, task: Task) -> Tensor:
        """Return int64 ``(n,)`` of `UNLABELLED`."""
        return torch.full((rows,), UNLABELLED)

    def check(self, target: Tensor, task: Task) -> None:
        """Raise `ValueError` unless targets are int64 ``(n,)`` from -1 to M - 1."""
        if target.dtype != torch.int64 or target.dim() != 1:
            raise ValueError(
                f"expected target as int64 (samples,), got {target.dtype} {tuple(target.shape)}"
            )
        check_classes(task, target, UNLABELLED)

    def strata(self, target: Tensor) -> Tensor:
        """Return the classes."""
        return target

    def mixture(self, outputs: Tensor, hidden: Tensor, dim: int) -> Tensor:
        """Return the log of the mean of the predictors' probabilities."""
        log_p = at_least_float32(outputs).log_softmax(2)
        return log_mean(log_p, hidden, dim)

    def divergence(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Return ``T^2 KL(teacher || student)`` of softmax(logits / T)."""
        one, two = (
            at_least_float32(side / temperature).log_softmax(1)
            for side in (teacher.detach(), student)
        )
        return temperature**2 * kl(one, two)

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return softmax - one-hot."""
        return outputs.softmax(1) - F.one_hot(target, outputs.shape[1]).to(outputs)

    def curvature(self, columns: Tensor, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the second derivative, the covariance of the columns under p."""
        p = outputs.softmax(1)
        mean = torch.einsum("ncm,nm->nc", columns, p)
        return torch.einsum("ncm,nm,ndm->cd", columns, p, columns) - mean.T @ mean


CLASSES = Classes()


def check_classes(task: Task, target: Tensor, lowest: int = 0) -> None:
    """Raise `ValueError` if a target is below `lowest`, or no class of the task."""
    low, high = int(target.min()), int(target.max())
    if low < lowest or high >= len(task.classes):
        raise ValueError(
            f"expected targets from {lowest} to {len(task.classes) - 1}, got {low} to {high}"
        )


def log_mean(log_p: Tensor, hidden: Tensor, dim: int) -> Tensor:
    """Return the log of the mean over an axis, without what is hidden."""
    number = (~hidden).sum(dim)
    return log_p.masked_fill(hidden, -torch.inf).logsumexp(dim) - number.log()


def kl(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean of ``KL(teacher || student)`` of log-probabilities ``(B, M, ...)``."""
    return (teacher.exp() * (teacher - student)).sum(1).mean()


TRUTHS = ("False", "True")
"""Names of the classes of labels that are bool."""
