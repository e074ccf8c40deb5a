"""Intersection over union as a torchmetrics metric, for batches and several processes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from dmrnet.evaluation.dense.pixels import VOID
from dmrnet.evaluation.finite import has_finite_max
from dmrnet.evaluation.metrics import ious, mean_iou

Classes = Literal["mean", "each"]
"""The mean over classes, or each class."""


class PixelIoU(MulticlassConfusionMatrix):
    """Intersection over union of classes over all pixels of all batches and processes.

    A class that occurs neither in the labels nor in the predictions is undefined (NaN) and not in
    the mean. Torchmetrics counts the pixels; its ``JaccardIndex`` is not used, because it computes
    in float32 and accepts logits that are NaN.

    Args:
        classes: Number of classes, M.
        over: Result of `compute`: the ``mean`` over classes, or ``each`` class.
        void: Label of pixels that are not counted.

    Raises:
        ValueError: If there is no class, the void label is a class, or `over` is unknown.

    >>> import torch
    >>> metric = PixelIoU(3)
    >>> metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, -1]]))
    >>> metric.compute().item()
    0.5
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(self, classes: int, over: Classes = "mean", void: int = VOID) -> None:
        if classes < 1:
            raise ValueError(f"expected one class or more, got {classes}")
        if over not in ("mean", "each"):
            raise ValueError(f"expected over as mean or each, got {over!r}")
        if 0 <= void < classes:
            raise ValueError(
                f"expected void below 0 or from {classes} on, which is no class, got {void}"
            )
        super().__init__(classes, ignore_index=void, validate_args=False)
        self.over = over

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Count pixels.

        Args:
            predicted: Classes, integer tensor of shape ``(B, H, W)``, or logits, float tensor of
                shape ``(B, M, H, W)``.
            target: Integer tensor of shape ``(B, H, W)``: each pixel's class, or `void`.

        Raises:
            ValueError: If shapes differ; or if, at a labelled pixel, the label or the prediction is
                not a class, or the largest logit is NaN or infinite.
            TypeError: If labels are not integers.
        """
        if target.is_floating_point():
            raise TypeError(f"expected labels as whole numbers, got {target.dtype}")
        target = target.long()  # -1 is 255 in uint8
        labelled = target != self.ignore_index
        if predicted.is_floating_point():
            shape = (*target.shape[:1], self.num_classes, *target.shape[1:])
            self._check_shape("logits (B, M, H, W)", predicted, shape)
            if not bool((has_finite_max(predicted, 1) | ~labelled).all()):
                raise ValueError("expected finite logits, got NaN or infinite ones")
            predicted = predicted.argmax(1)
        self._check_shape("classes (B, H, W), or float logits,", predicted, tuple(target.shape))
        self._check_range("labels", target[labelled], f"; void is {self.ignore_index}")
        self._check_range("predictions", predicted[labelled])
        super().update(predicted, target)

    def compute(self) -> Tensor:
        """Return a float64 scalar, or each class's value ``(M,)``."""
        return mean_iou(self.confmat) if self.over == "mean" else ious(self.confmat)

    def _check_shape(self, what: str, predicted: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(predicted.shape) != shape:
            raise ValueError(
                f"expected {what} as {shape} for these labels and {self.num_classes} classes, got "
                f"{tuple(predicted.shape)}; bring predictions to the size of the labels first"
            )

    def _check_range(self, what: str, values: Tensor, more: str = "") -> None:
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < self.num_classes:
            raise ValueError(
                f"expected {what} from 0 to {self.num_classes - 1}, got {int(values.min())} to "
                f"{int(values.max())}{more}"
            )
