"""Prediction of the classes of every voxel under given masks."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model
from dmrnet.evaluation.dense.pixels import NO_CLASS
from dmrnet.evaluation.finite import FiniteLogits
from dmrnet.evaluation.volumes.evaluate import predict_windows
from dmrnet.evaluation.volumes.windows import Sliding
from dmrnet.modalities import Batch


@torch.inference_mode()
def predict_volumes(model: Model, batch: Batch, sliding: Sliding) -> Tensor:
    """Predict whole volumes in windows, as in `evaluate_volumes`.

    Args:
        model: Model in evaluation mode, on the device of the batch.
        batch: Volumes of one size, with a mask and row numbers (`Batch.masked`).
        sliding: Windows.

    Returns:
        Classes, uint8 ``(B, D, H, W)``, on the CPU.

    Raises:
        ValueError: If the batch has no mask or row numbers, or there are more classes than fit.
        NoClassError: If the largest logit of a voxel is NaN or infinite.
    """
    p = voxel_probabilities(model, batch, sliding)
    if p.shape[1] > NO_CLASS:
        raise ValueError(f"expected at most {NO_CLASS} classes, got {p.shape[1]}")
    return p.argmax(1).to(torch.uint8).cpu()


@torch.inference_mode()
def voxel_probabilities(model: Model, batch: Batch, sliding: Sliding) -> Tensor:
    """Predict the probability of each class at every voxel; see `predict_volumes`.

    Returns:
        float32 ``(B, M, D, H, W)``, averaged over windows, on the device of the batch.

    Raises:
        ValueError: If the batch has no mask or row numbers.
        NoClassError: If the largest logit of a voxel is NaN or infinite.
    """
    if batch.mask is None or batch.where is None:
        raise ValueError("expected a batch with a mask and row numbers (Batch.masked), got none")
    ((_, p, finite),) = predict_windows(model, batch, batch.mask[None], sliding)
    watch = FiniteLogits(model.modalities)
    watch.add(finite[0], batch.index, batch.mask)
    watch.check()
    return p[0]
