"""Prediction of label maps of images under given masks."""

from __future__ import annotations

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
    watch = FiniteLogits(model.modalities)
    if batch.mask is None or batch.where is None:
        raise ValueError("expected a batch with a mask and row numbers (Batch.masked), got none")
    height, width = next(iter(batch.inputs.values())).shape[-2:]
    maps = torch.empty((len(batch), height, width), dtype=torch.uint8)
    inputs = padded(batch.inputs, stride)
    for window in windows(height, width, stride, tiling):
        feats = model.cached(cut(inputs, window), batch.where)
        ((_, logits),) = by_chunk(model, feats, batch.mask[None])
        if logits.shape[2] > NO_CLASS:
            raise ValueError(f"expected at most {NO_CLASS} classes, got {logits.shape[2]}")
        kept = logits[0][(..., *window.kept)]
        watch.add(has_finite_max(kept, 1).flatten(1).all(1), batch.index, batch.mask)
        maps[(slice(None), *window.target)] = kept.argmax(1).to(torch.uint8).cpu()
    watch.check()
    return maps
