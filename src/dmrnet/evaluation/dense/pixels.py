"""Evaluation of every combination in dense prediction: encode once, at full size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.evaluation.combinations import Evaluation, Model, by_chunk, rows_to_encode
from dmrnet.evaluation.dense.tiles import Tiling, cut, padded, windows
from dmrnet.evaluation.finite import FiniteLogits, has_finite_max
from dmrnet.modalities import Batch

VOID = -1
"""Label of pixels that are not scored."""

NO_CLASS = 255
"""Value of unlabelled pixels in label maps."""


@dataclass(frozen=True)
class LabelMaps:
    """True and predicted classes of every pixel of selected images.

    Attributes:
        index: Int64 tensor of shape ``(p,)``: the images' numbers in the data set.
        truth: Uint8 tensor of shape ``(p, H, W)``, `NO_CLASS` where there is no label.
        predicted: Uint8 tensor of shape ``(K, p, H, W)``.
    """

    index: Tensor
    truth: Tensor
    predicted: Tensor


@dataclass(frozen=True, kw_only=True)
class PixelEvaluation(Evaluation):
    """Counts of pixels for each combination; `confusion` is the sum of `counts` over images.

    Attributes:
        index: Int64 tensor of shape ``(n,)``: the images' numbers in the data set.
        scored: Bool tensor of shape ``(K, n)``, True where the image has all modalities of the
            combination.
        counts: Int64 tensor of shape ``(K, n, M, M)``: counts of each image, zeros if not scored.
        maps: Label maps of the requested images, if any.
    """

    index: Tensor
    scored: Tensor
    counts: Tensor
    maps: LabelMaps | None = None


@torch.inference_mode()
def evaluate_pixels(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    *,
    stride: int = 1,
    tiling: Tiling | None = None,
    show: Sequence[int] = (),
) -> PixelEvaluation:
    """Score every combination on every image that has its modalities.

    Images are padded with zeros at their right and lower ends to a multiple of the stride, and
    predicted whole or in windows; see `Tiling`. Unlabelled pixels are not counted.

    Args:
        model: Model in evaluation mode, on the device of the batches.
        batches: Batches with row numbers of the present modalities (`Batch.where`).
        combinations: Bool tensor of shape ``(K, V)``, on that device.
        stride: Number that must divide the height and width of the model's input.
        tiling: Tiling of large images; None predicts them whole.
        show: Numbers of the images whose label maps are returned.

    Raises:
        ValueError: If a batch has no row numbers or other modalities, or there is no image.
        NoClassError: If the largest logit of a labelled pixel is NaN or infinite.
    """
    watch = FiniteLogits(model.modalities)
    requested = torch.tensor(list(show), dtype=torch.int64)
    parts, label_maps = [], []
    for batch in batches:
        rows_to_encode(batch, combinations.shape[1])
        has = (batch.present | ~combinations[:, None, :]).all(-1)
        shown = torch.isin(batch.index.cpu(), requested)
        counts, losses, maps, finite = _predict(model, batch, combinations, stride, tiling, shown)
        watch.add(finite, batch.index, combinations, has)
        counts = counts.mul_(has[..., None, None]).cpu()
        of_batch = torch.where(has, losses, 0.0).sum(1)
        parts.append((batch.index.cpu(), has.cpu(), counts, of_batch, batch.present.all(1).cpu()))
        if bool(shown.any()):
            truth = torch.where(batch.target == VOID, NO_CLASS, batch.target).to(torch.uint8).cpu()
            label_maps.append((batch.index.cpu()[shown], truth[shown], maps))
    watch.check()
    if not parts:
        raise ValueError("expected at least one image to evaluate on, got none")
    return PixelEvaluation(**counted(parts, combinations), maps=joined(label_maps))


def counted(parts: Sequence[Sequence[Tensor]], combinations: Tensor) -> dict[str, Any]:
    """Return what every `PixelEvaluation` has, by its name.

    Args:
        parts: Results of each batch: numbers of its images ``(b,)``; bool ``(K, b)`` of the scored
            ones; their counts ``(K, b, M, M)``; the summed loss of each combination ``(K,)``; and
            bool ``(b,)`` of the images that have every modality.
        combinations: bool ``(K, V)``.
    """
    index, scored, of_images, log_loss, whole = zip(*parts, strict=True)
    counts = torch.cat(of_images, 1)
    complete = counts * torch.cat(whole)[None, :, None, None]
    return {
        "combinations": combinations,
        "confusion": counts.sum(1).to(combinations.device),
        "complete": complete.sum(1).to(combinations.device),
        "log_loss": torch.stack(log_loss).sum(0),
        "index": torch.cat(index),
        "scored": torch.cat(scored, 1),
        "counts": counts,
    }


def joined(maps: Sequence[tuple[Tensor, Tensor, Tensor]]) -> LabelMaps | None:
    """Return label maps of images that may differ in size; around smaller ones is no class.

    Each has the attributes of `LabelMaps`; None without any.
    """
    if not maps:
        return None
    index, truth, predicted = zip(*maps, strict=True)
    size = [max(one.shape[axis] for one in truth) for axis in (-2, -1)]
    return LabelMaps(
        torch.cat(index),
        torch.cat([framed(one, size, NO_CLASS) for one in truth]),
        torch.cat([framed(one, size, NO_CLASS) for one in predicted], 1),
    )


def framed(x: Tensor, size: Sequence[int], value: float) -> Tensor:
    """Return a tensor ``(..., h, w)`` at the upper left of one ``(..., H, W)`` of a value.

    >>> framed(torch.ones(1, 2), (2, 3), 7).tolist()
    [[1.0, 1.0, 7.0], [7.0, 7.0, 7.0]]
    """
    if x.shape[-2:] == (*size,):
        return x
    out = x.new_full((*x.shape[:-2], *size), value)
    out[..., : x.shape[-2], : x.shape[-1]] = x
    return out


def _predict(
    model: Model,
    batch: Batch,
    combinations: Tensor,
    stride: int,
    tiling: Tiling | None,
    shown: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Predict a batch under every combination.

    `shown` is bool ``(B,)`` on the CPU, True for the p images whose label maps are returned.

    Returns:
        Counts, int64 ``(K, B, M, M)``; sum of -log p of the true class, float64 ``(K, B)``; label
        maps, uint8 ``(K, p, H, W)`` on the CPU; and whether the largest logit is finite at every
        labelled pixel, bool ``(K, B)``.
    """
    assert batch.where is not None
    k, b = len(combinations), len(batch)
    device = combinations.device
    counts: Tensor | None = None
    losses = torch.zeros(k, b, dtype=torch.float64, device=device)
    finite = torch.ones(k, b, dtype=torch.bool, device=device)
    maps = torch.empty((k, int(shown.sum()), *batch.target.shape[1:]), dtype=torch.uint8)
    masks = combinations[:, None, :].expand(-1, b, -1)
    inputs = padded(batch.inputs, stride)
    height, width = batch.target.shape[1:]
    for window in windows(height, width, stride, tiling):
        feats = model.cached(cut(inputs, window), batch.where)
        target = batch.target[(slice(None), *window.target)]
        for chunk, logits in by_chunk(model, feats, masks):
            kept = logits[(..., *window.kept)]
            loss = F.cross_entropy(
                kept.flatten(0, 1),
                target.repeat(len(kept), 1, 1),
                ignore_index=VOID,
                reduction="none",
            )
            losses[chunk] += loss.double().sum((1, 2)).reshape(len(kept), b)
            guess = kept.argmax(2)
            finite[chunk] &= (has_finite_max(kept, 2) | (target == VOID)).flatten(2).all(2)
            of_window = confusion_of_images(guess, target, kept.shape[2])
            if counts is None:
                counts = of_window.new_zeros((k, *of_window.shape[1:]))
            counts[chunk] += of_window
            if maps.shape[1]:
                at = (chunk, slice(None), *window.target)
                maps[at] = guess[:, shown.to(device)].to(torch.uint8).cpu()
    assert counts is not None
    return counts, losses, maps, finite


def confusion_of_images(guess: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return counts, int64 ``(K, B, M, M)``, of predictions ``(K, B, h, w)``, or of volumes."""
    k, b = guess.shape[:2]
    ones = [1] * (target.dim() - 1)
    image = torch.arange(k * b, device=guess.device).view(k, b, *ones) * classes
    cell = (image + target.clamp(min=0)) * classes + guess
    labelled = (target != VOID).expand_as(cell)
    counts = cell[labelled].bincount(minlength=k * b * classes * classes)
    return counts.view(k, b, classes, classes)
