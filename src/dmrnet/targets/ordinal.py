r"""Ordered classes: continuation-ratio logits, whose loss is the log-likelihood of the class.

Output k of M - 1 is the logit of going beyond class k once it is reached,

.. math:: P(y > k \mid y \ge k) = \sigma(u_k), \quad
    P(y = k) = (1 - \sigma(u_k)) \prod_{j < k} \sigma(u_j)

so that probabilities of classes are never negative and sum up to 1 (sequential model, Tutz,
British Journal of Mathematical and Statistical Psychology 1990; for networks CORN, Shi, Cao and
Raschka, Pattern Analysis and Applications 2023). The predicted class is the median, which minimises
the expected distance in ranks.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities import Task
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets.base import Scale, TaskLoss, refuse_smoothing
from dmrnet.targets.classes import Classes, kl, log_mean


def class_log_probabilities(outputs: Tensor, dim: int = 1) -> Tensor:
    """Return the log-probability of each of M classes from M - 1 outputs, along an axis.

    >>> class_log_probabilities(torch.zeros(1, 2)).exp().tolist()
    [[0.5, 0.25, 0.25]]
    """
    outputs = at_least_float32(outputs)
    reached = F.logsigmoid(outputs).cumsum(dim)
    none = torch.zeros_like(outputs.narrow(dim, 0, 1))
    stopped = torch.cat([F.logsigmoid(-outputs), none], dim)
    return torch.cat([none, reached], dim) + stopped


def continuation_loss(outputs: Tensor, target: Tensor) -> TaskLoss:
    """Return -log p of the true class of each sample, normalised by the batch.

    Args:
        outputs: Outputs ``(B, M - 1)``.
        target: Int64 tensor of shape ``(B,)``.

    >>> loss = continuation_loss(torch.zeros(2, 2), torch.tensor([0, 2]))
    >>> [round(value, 4) for value in loss.per_sample.tolist()]
    [0.6931, 1.3863]
    """
    log_p = class_log_probabilities(outputs)
    return TaskLoss.of_samples(F.nll_loss(log_p, target, reduction="none"))


class Ordinal(Classes):
    """One of M ordered classes; targets are int64 ``(n,)``, predictions log-probabilities."""

    name: ClassVar[str] = "ordinal"

    def outputs(self, task: Task) -> int:
        """Return the number of steps between classes, M - 1."""
        return len(task.classes) - 1

    def loss(self, outputs: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
        """Return -log p of the true class of each sample."""
        refuse_smoothing(smoothing, "ordered classes")
        return continuation_loss(outputs, target)

    def decode(self, outputs: Tensor, scale: Scale | None) -> Tensor:
        """Return the log-probabilities of the classes, ``(B, M)``."""
        return class_log_probabilities(outputs)

    def decide(self, probabilities: Tensor) -> Tensor:
        """Return the median class, int64 ``(...)``.

        >>> Ordinal().decide(torch.tensor([[0.4, 0.2, 0.4], [0.6, 0.0, 0.4]])).tolist()
        [1, 0]
        """
        return (probabilities[..., :-1].cumsum(-1) < 0.5).sum(-1)

    def mixture(self, outputs: Tensor, hidden: Tensor, dim: int) -> Tensor:
        """Return outputs whose probabilities of classes are the mean of the predictors'."""
        log_p = log_mean(class_log_probabilities(outputs, 2), hidden, dim)
        axis = 1
        # log P(y >= k), from the last class down.
        least = log_p.flip(axis).logcumsumexp(axis).flip(axis)
        many = log_p.shape[axis] - 1
        return least.narrow(axis, 1, many) - log_p.narrow(axis, 0, many)

    def divergence(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Return ``T^2 KL(teacher || student)`` of the classes, with outputs divided by T."""
        one, two = (
            class_log_probabilities(side / temperature) for side in (teacher.detach(), student)
        )
        return temperature**2 * kl(one, two)

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return p - [y > k] for the steps that are reached, else 0."""
        beyond, reached = _steps(outputs, target)
        return torch.where(reached, outputs.sigmoid() - beyond.to(outputs), 0.0)

    def curvature(self, columns: Tensor, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the products of columns, weighted by p (1 - p) of the steps that are reached."""
        p = outputs.sigmoid()
        _, reached = _steps(outputs, target)
        return torch.einsum("ncm,nm,ndm->cd", columns, p * (1 - p) * reached, columns)


def _steps(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return bool ``(B, M - 1)``: whether the class is beyond each step, and reaches it."""
    step = torch.arange(outputs.shape[1], device=outputs.device)
    return target[:, None] > step, target[:, None] >= step
