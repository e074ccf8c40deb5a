"""The base class of what a task predicts, and the loss of each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.modalities import Task

Scale = Tensor
"""Mean and deviation of each target over training rows, float64 ``(2, D)``."""


@dataclass(frozen=True)
class TaskLoss:
    """The task loss of each sample, before it is normalised.

    Attributes:
        per_sample: Float32 tensor of shape ``(B,)``: loss of a sample, or its (weighted) sum over
            pixels.
        normaliser: Scalar that the sum over the batch is divided by: B, or the sum of pixel
            weights.
        size: Float32 tensor of shape ``(B,)``: each sample's part of the normaliser; 1 where
            a sample has one prediction.
    """

    per_sample: Tensor
    normaliser: Tensor
    size: Tensor

    @classmethod
    def of_samples(cls, losses: Tensor) -> TaskLoss:
        """Return the losses ``(B,)`` of samples, normalised by their number."""
        return cls(losses, losses.new_full((), len(losses)), torch.ones_like(losses))

    @property
    def mean(self) -> Tensor:
        """The task loss of the batch."""
        return self.per_sample.sum() / self.normaliser

    def weighted(self, weight: Tensor) -> TaskLoss:
        """Return the loss with a weight for each sample, ``(B,)``.

        The normaliser becomes the weighted sum of `size`, so that a weight of 2 is the same as the
        sample twice.

        >>> loss = TaskLoss(torch.tensor([1.0, 4.0]), torch.tensor(2.0), torch.ones(2))
        >>> loss.mean.item(), loss.weighted(torch.tensor([2.0, 1.0])).mean.item()
        (2.5, 2.0)
        """
        size = self.size * weight
        total = size.sum().clamp(min=torch.finfo(size.dtype).tiny)
        return TaskLoss(self.per_sample * weight, total, size)


class Target(ABC):
    """Base class of what a task predicts.

    A predictor returns *outputs* ``(B, O)``, which the loss reads. `decode` makes *predictions*
    ``(B, M)`` of them, in the form in which models are evaluated, averaged and stored.

    Attributes:
        name: Name in `Task.target`.
        counts: Whether a prediction is one of M classes, so that a confusion matrix describes it.
    """

    name: ClassVar[str]
    counts: ClassVar[bool] = True

    def outputs(self, task: Task) -> int:
        """Return the number of outputs, O; by default one for each class, label or number."""
        return len(task.classes)

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
        """Return the loss of each sample, normalised by the batch.

        Args:
            outputs: Outputs ``(B, O)``.
            target: What `encode` returned.
            smoothing: Share of the target that is spread over all classes.

        Raises:
            ValueError: If there is smoothing, and the target has no classes.
        """

    def encode(self, target: Tensor, scale: Scale | None) -> Tensor:
        """Return targets as the loss reads them; by default unchanged."""
        return target

    def decode(self, outputs: Tensor, scale: Scale | None) -> Tensor:
        """Return predictions ``(B, M)``; by default the outputs, as logits of classes."""
        return outputs

    @abstractmethod
    def probabilities(self, predictions: Tensor) -> Tensor:
        """Return predictions ``(..., M)`` as they are stored: probabilities, or numbers."""

    @abstractmethod
    def decide(self, probabilities: Tensor) -> Tensor:
        """Return what is predicted from `probabilities` ``(..., M)``.

        Returns:
            Int64 ``(...)`` classes; or ``(..., M)``: bool labels, or numbers.
        """

    @abstractmethod
    def log_loss(self, predictions: Tensor, target: Tensor) -> Tensor | None:
        """Return the negative log-likelihood of each prediction; None where there is none.

        Args:
            predictions: Predictions ``(K, B, M)``.
            target: Targets of the data set.

        Returns:
            Float64 ``(K, B)``.
        """

    def defined(self, predictions: Tensor) -> Tensor:
        """Return bool ``(...)``: whether predictions ``(..., M)`` are finite where they must be."""
        return predictions.isfinite().all(-1)

    @abstractmethod
    def labelled(self, target: Tensor) -> Tensor:
        """Return bool ``(n,)``: which samples have a target."""

    def rows_by_class(self, target: Tensor, classes: int) -> Tensor | None:
        """Return the number of samples of each class, or with each label, int64 ``(M,)``.

        Samples without a target do not count. None for numbers.
        """
        return None

    @abstractmethod
    def unlabelled(self, rows: int, task: Task) -> Tensor:
        """Return the targets of samples that have none."""

    @abstractmethod
    def check(self, target: Tensor, task: Task) -> None:
        """Raise `ValueError` if targets are not of the shape, type and range of the task.

        Targets of samples that have none are allowed.
        """

    @abstractmethod
    def strata(self, target: Tensor) -> Tensor:
        """Return int64 ``(n,)``: groups of samples that a split should divide evenly."""

    @abstractmethod
    def mixture(self, outputs: Tensor, hidden: Tensor, dim: int) -> Tensor:
        """Average predictors by their probabilities (a mixture of experts), or by their numbers.

        Args:
            outputs: Outputs of V predictors with axis 2 of size O: ``(B, V, O, ...)`` or
                ``(V, B, O, ...)``.
            hidden: Bool, broadcastable to `outputs`, True where a predictor is left out.
            dim: Axis of the predictors, 0 or 1.

        Returns:
            Outputs without the axis of the predictors.
        """

    @abstractmethod
    def divergence(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Return how far a student's outputs ``(B, O, ...)`` are from a teacher's.

        The teacher gets no gradient; the result is averaged over all but the outputs.
        """

    @abstractmethod
    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the derivative of `loss` by the outputs, ``(B, O)``."""

    @abstractmethod
    def curvature(self, columns: Tensor, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the second derivative of the summed `loss` by the weights of predictors.

        Args:
            columns: Outputs of C predictors, ``(B, C, O)``.
            outputs: Their weighted sum, ``(B, O)``.
            target: What `encode` returned.

        Returns:
            Tensor of shape ``(C, C)``.
        """


def refuse_smoothing(smoothing: float, what: str) -> None:
    """Raise `ValueError` for label smoothing of targets that are no classes."""
    if smoothing:
        raise ValueError(
            f"expected smoothing 0 for {what}, since label smoothing spreads a class over others; "
            f"got {smoothing}"
        )
