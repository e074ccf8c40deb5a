"""Numbers: one or several targets per sample, standardised by training rows; squared error."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.modalities import Task
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets.base import Scale, Target, TaskLoss, refuse_smoothing


def squared_error(outputs: Tensor, target: Tensor) -> TaskLoss:
    """Return the squared error of each sample, averaged over its targets.

    Args:
        outputs: Standardised predictions ``(B, D)``.
        target: Standardised targets ``(B, D)``.

    >>> loss = squared_error(torch.tensor([[0.0, 1.0], [2.0, 2.0]]), torch.tensor([[2.0, 1.0]] * 2))
    >>> loss.per_sample.tolist()
    [2.0, 0.5]
    """
    outputs = at_least_float32(outputs)
    return TaskLoss.of_samples((outputs - target.to(outputs)).square().mean(1))


class Regression(Target):
    """D numbers per sample. Outputs are standardised; predictions are in the user's unit, float64.

    Targets of a data set are float64 ``(n, D)``, NaN where a sample has none.
    """

    name: ClassVar[str] = "regression"
    counts: ClassVar[bool] = False

    def loss(self, outputs: Tensor, target: Tensor, smoothing: float = 0.0) -> TaskLoss:
        """Return the squared error of each sample, averaged over its targets."""
        refuse_smoothing(smoothing, "regression")
        return squared_error(outputs, target)

    def encode(self, target: Tensor, scale: Scale | None) -> Tensor:
        """Return standardised targets, float32 ``(B, D)``."""
        if scale is None:
            return target.float()
        return ((target.double() - scale[0]) / scale[1]).float()

    def decode(self, outputs: Tensor, scale: Scale | None) -> Tensor:
        """Return numbers in the user's unit, float64 ``(B, D)``."""
        outputs = outputs.double()
        return outputs if scale is None else outputs * scale[1] + scale[0]

    def probabilities(self, predictions: Tensor) -> Tensor:
        """Return the numbers."""
        return predictions

    def decide(self, probabilities: Tensor) -> Tensor:
        """Return the numbers."""
        return probabilities

    def log_loss(self, predictions: Tensor, target: Tensor) -> Tensor | None:
        """Return None: a number has no probability."""
        return None

    def labelled(self, target: Tensor) -> Tensor:
        """Return which samples have all their targets."""
        return ~target.isnan().any(1)

    def unlabelled(self, rows: int, task: Task) -> Tensor:
        """Return float64 ``(n, D)`` of NaN."""
        return torch.full((rows, len(task.classes)), torch.nan, dtype=torch.float64)

    def check(self, target: Tensor, task: Task) -> None:
        """Raise `ValueError` unless targets are float64 ``(n, D)``, and not infinite."""
        if target.dtype != torch.float64 or target.dim() != 2:
            raise ValueError(
                f"expected target as float64 (samples, targets), got {target.dtype} "
                f"{tuple(target.shape)}"
            )
        if target.shape[1] != len(task.classes) or bool(target.isinf().any()):
            raise ValueError(
                f"expected finite targets {', '.join(task.classes)}, got {target.shape[1]} columns"
            )

    def strata(self, target: Tensor) -> Tensor:
        """Return one group: samples are split at random."""
        return torch.zeros(len(target), dtype=torch.int64)

    def mixture(self, outputs: Tensor, hidden: Tensor, dim: int) -> Tensor:
        """Return the mean of the predictions."""
        return torch.where(hidden, 0.0, outputs).sum(dim) / (~hidden).sum(dim)

    def divergence(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Return the mean squared difference, in place of a KL divergence; it has no T."""
        return (at_least_float32(student) - at_least_float32(teacher.detach())).square().mean()

    def slope(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return twice the error over the number of targets."""
        return 2 * (outputs - target.to(outputs)) / outputs.shape[1]

    def curvature(self, columns: Tensor, outputs: Tensor, target: Tensor) -> Tensor:
        """Return twice the products of columns, over the number of targets."""
        return 2 * torch.einsum("ncm,ndm->cd", columns, columns) / outputs.shape[1]


def scale_of(target: Tensor) -> tuple[tuple[float, float], ...]:
    """Return the mean and deviation of each target, float64 ``(n, D)``, for `Task.scale`.

    A target that is the same in all rows has deviation 1.

    >>> scale_of(torch.tensor([[1.0, 7.0], [3.0, 7.0]], dtype=torch.float64))
    ((2.0, 1.0), (7.0, 1.0))
    """
    mean, std = target.mean(0), target.std(0, correction=0)
    std = torch.where(target.amax(0) == target.amin(0), 1.0, std)
    return tuple(zip(mean.tolist(), std.tolist(), strict=True))
