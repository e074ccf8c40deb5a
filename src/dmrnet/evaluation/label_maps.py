"""The class of every pixel of images, each seen as its mask says."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model, by_chunk
from dmrnet.evaluation.finite import a_class_wins, finite_logits
from dmrnet.evaluation.pixels import NO_CLASS
from dmrnet.evaluation.tiles import Tiling, cut, padded, windows
from dmrnet.modalities import Batch


@torch.inference_mode()
def predict_pixels(
    model: Model, batch: Batch, *, stride: int = 1, tiling: Tiling | None = None
) -> Tensor:
    """Predict whole images, padded and parted as `evaluate_pixels` does it.

    Args:
        model: In evaluation mode, on the device of the batch.
        batch: With a mask, and index lists of what is to be encoded.
        stride: What must divide the height and width that the model sees.
        tiling: How large images are parted; None predicts them whole.

    Returns:
        Classes, uint8 ``(B, H, W)``, on the CPU.

    Raises:
        ValueError: If the batch has no mask or index lists, or there are more classes than fit.
        NoClassError: If the largest logit of a pixel is NaN or infinite.
    """
    watch = finite_logits(model)
    if batch.mask is None or batch.where is None:
        raise ValueError("expected a batch with a mask and index lists (Batch.masked)")
    height, width = next(iter(batch.inputs.values())).shape[-2:]
    maps = torch.empty((len(batch), height, width), dtype=torch.uint8)
    inputs = padded(batch.inputs, stride)
    for window in windows(height, width, stride, tiling):
        feats = model.cached(cut(inputs, window), batch.where)
        ((_, logits),) = by_chunk(model, feats, batch.mask[None])
        if logits.shape[2] > NO_CLASS:
            raise ValueError(f"expected at most {NO_CLASS} classes, got {logits.shape[2]}")
        kept = logits[0][(..., *window.kept)]
        watch.add(a_class_wins(kept, 1).flatten(1).all(1), batch.index, batch.mask)
        maps[(slice(None), *window.place)] = kept.argmax(1).to(torch.uint8).cpu()
    watch.check()
    return maps
