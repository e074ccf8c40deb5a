"""Prediction of the class of every pixel, or its probability, under given masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model, by_chunk
from dmrnet.evaluation.dense.pixels import NO_CLASS
from dmrnet.evaluation.dense.tiles import Tiling, cut, padded, windows
from dmrnet.evaluation.finite import FiniteLogits, has_finite_max
from dmrnet.modalities import Batch


@torch.inference_mode()
def predict_pixels(
    model: Model, batch: Batch, *, stride: int = 1, tiling: Tiling | None = None
) -> Tensor:
    """Predict whole images, padded and tiled as in `evaluate_pixels`.

    Args:
        model: Model in evaluation mode, on the device of the batch.
        batch: Batch with a mask and row numbers (`Batch.masked`).
        stride: Number that must divide the height and width of the model's input.
        tiling: Tiling of large images; None predicts them whole.

    Returns:
        Classes, uint8 ``(B, H, W)``, on the CPU.

    Raises:
        ValueError: If the batch has no mask or row numbers, or there are more classes than fit.
        NoClassError: If the largest logit of a pixel is NaN or infinite.
    """
    height, width = next(iter(batch.inputs.values())).shape[-2:]
    maps = torch.empty((len(batch), height, width), dtype=torch.uint8)
    for at, logits in _logits(model, batch, stride, tiling):
        if logits.shape[1] > NO_CLASS:
            raise ValueError(f"expected at most {NO_CLASS} classes, got {logits.shape[1]}")
        maps[(slice(None), *at)] = logits.argmax(1).to(torch.uint8).cpu()
    return maps


@torch.inference_mode()
def pixel_probabilities(
    model: Model, batch: Batch, *, stride: int = 1, tiling: Tiling | None = None
) -> Tensor:
    """Predict the probability of each class at every pixel; see `predict_pixels`.

    Returns:
        float32 ``(B, M, H, W)``, on the CPU.

    Raises:
        ValueError: If the batch has no mask or row numbers.
        NoClassError: If the largest logit of a pixel is NaN or infinite.
    """
    height, width = next(iter(batch.inputs.values())).shape[-2:]
    probabilities = torch.empty(0)
    for at, logits in _logits(model, batch, stride, tiling):
        if not len(probabilities):
            probabilities = torch.empty((len(batch), logits.shape[1], height, width))
        probabilities[(..., *at)] = logits.float().softmax(1).cpu()
    return probabilities


def _logits(
    model: Model, batch: Batch, stride: int, tiling: Tiling | None
) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """Yield the parts of images, as rows and columns, with their logits ``(B, M, h, w)``."""
    if batch.mask is None or batch.where is None:
        raise ValueError("expected a batch with a mask and row numbers (Batch.masked), got none")
    watch = FiniteLogits(model.modalities)
    height, width = next(iter(batch.inputs.values())).shape[-2:]
    inputs = padded(batch.inputs, stride)
    for window in windows(height, width, stride, tiling):
        feats = model.cached(cut(inputs, window), batch.where)
        ((_, logits),) = by_chunk(model, feats, batch.mask[None])
        kept = logits[0][(..., *window.kept)]
        watch.add(has_finite_max(kept, 1).flatten(1).all(1), batch.index, batch.mask)
        yield window.target, kept
    watch.check()
