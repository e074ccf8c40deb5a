"""Intersection over union as a torchmetrics metric: it adds up over batches and processes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from dmrnet.evaluation.finite import a_class_wins
from dmrnet.evaluation.metrics import ious, mean_iou
from dmrnet.evaluation.pixels import VOID

Classes = Literal["mean", "each"]
"""The mean over classes, or every class by itself."""


class PixelIoU(Metric):
    """Intersection over union of classes; `update` takes predictions and labels of pixels.

    All pixels of all batches and processes are counted in one matrix. A class that is neither in
    the labels nor in the predictions is undefined (NaN), never perfect, and is not in the mean.

    Args:
        classes: M.
        over: Whether `compute` gives the ``mean`` over classes, or ``each``.
        void: The label of pixels that are counted nowhere.

    Raises:
        ValueError: If there is no class, the void label is one, or `over` is unknown.

    >>> metric = PixelIoU(3)
    >>> metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, -1]]))
    >>> metric.compute().item()
    0.5
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor

    def __init__(self, classes: int, over: Classes = "mean", void: int = VOID) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"expected one class or more, got {classes}")
        if over not in ("mean", "each"):
            raise ValueError(f"expected over as mean or each, got {over!r}")
        if 0 <= void < classes:
            raise ValueError(
                f"expected void below 0 or from {classes} on, which is no class, got {void}"
            )
        self.classes, self.over, self.void = classes, over, void
        empty = torch.zeros(classes, classes, dtype=torch.int64)
        self.add_state("confusion", empty, dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Count some pixels.

        Args:
            predicted: Classes, whole numbers ``(B, H, W)``; or logits, float ``(B, M, H, W)``.
            target: Whole numbers ``(B, H, W)``: each pixel's class, or `void`.

        Raises:
            ValueError: If shapes differ; or, of a pixel with a label, the label or the prediction
                is no class, or no logit is the largest.
            TypeError: If labels are no whole numbers.
        """
        if target.is_floating_point():
            raise TypeError(f"expected labels as whole numbers, got {target.dtype}")
        target = target.long()
        labelled = target != self.void
        if predicted.is_floating_point():
            wanted = (*target.shape[:1], self.classes, *target.shape[1:])
            self._check_shape("logits (B, M, H, W)", predicted, wanted)
            if not bool((a_class_wins(predicted, 1) | ~labelled).all()):
                raise ValueError("expected finite logits, got infinite ones or no numbers")
            predicted = predicted.argmax(1)
        self._check_shape("classes (B, H, W), or float logits,", predicted, tuple(target.shape))
        guess, truth = predicted[labelled].long(), target[labelled]
        self._check_range("labels", truth, f"; void is {self.void}")
        self._check_range("predictions", guess)
        cells = (truth * self.classes + guess).bincount(minlength=self.classes**2)
        self.confusion += cells.view(self.classes, self.classes)

    def compute(self) -> Tensor:
        """Return float64, a scalar, or ``(M,)`` of each class."""
        return mean_iou(self.confusion) if self.over == "mean" else ious(self.confusion)

    def _check_shape(self, what: str, predicted: Tensor, wanted: tuple[int, ...]) -> None:
        if tuple(predicted.shape) != wanted:
            raise ValueError(
                f"expected {what} as {wanted} for these labels and {self.classes} classes, got "
                f"{tuple(predicted.shape)}; bring predictions to the size of the labels first"
            )

    def _check_range(self, what: str, values: Tensor, more: str = "") -> None:
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < self.classes:
            raise ValueError(
                f"expected {what} from 0 to {self.classes - 1}, got {int(values.min())} to "
                f"{int(values.max())}{more}"
            )
