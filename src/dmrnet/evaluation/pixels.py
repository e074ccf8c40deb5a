"""Every combination on images whose every pixel has a class: encoded once, at full size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.evaluation.combinations import Evaluation, Model, by_chunk, where_of
from dmrnet.evaluation.finite import a_class_wins, finite_logits
from dmrnet.evaluation.tiles import Tiling, cut, padded, windows
from dmrnet.modalities import Batch

VOID = -1
"""The label of a pixel that is not scored."""

NO_CLASS = 255
"""Stands in label maps where a pixel has no label."""


@dataclass(frozen=True)
class LabelMaps:
    """Classes of every pixel of some images, to be looked at.

    Attributes:
        index: int64 ``(p,)``: the images' numbers in the data set.
        truth: uint8 ``(p, H, W)``, `NO_CLASS` where there is no label.
        predicted: uint8 ``(K, p, H, W)``.
    """

    index: Tensor
    truth: Tensor
    predicted: Tensor


@dataclass(frozen=True)
class PixelEvaluation(Evaluation):
    """Counts of pixels by combination; `confusion` is the sum over images of `counts`.

    Attributes:
        index: int64 ``(n,)``: the images' numbers in the data set.
        scored: bool ``(K, n)``: the image has all modalities of the combination.
        counts: int64 ``(K, n, M, M)``: of each image; zeros where it is not scored.
        maps: Of the images asked for, if any were.
    """

    index: Tensor | None = None
    scored: Tensor | None = None
    counts: Tensor | None = None
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

    Images are padded with zeros at their right and lower ends up to a multiple of the stride, and
    predicted whole, or in windows; see `Tiling`. Pixels without a label are counted nowhere.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: With index lists of what is present, so that nothing absent is encoded.
        combinations: bool ``(K, V)``, on that device.
        stride: What must divide the height and width that the model sees.
        tiling: How large images are parted; None predicts them whole.
        show: Numbers of images of which label maps are kept.

    Raises:
        ValueError: If a batch has no index lists or other modalities, or no image was among them.
        NoClassError: If the largest logit of a labelled pixel is NaN or infinite.
    """
    watch = finite_logits(model)
    wanted = torch.tensor(list(show), dtype=torch.int64)
    parts, shown = [], []
    for batch in batches:
        where_of(batch, combinations.shape[1])
        has = (batch.present | ~combinations[:, None, :]).all(-1)
        looked = torch.isin(batch.index.cpu(), wanted)
        counts, losses, maps, finite = _predicted(
            model, batch, combinations, stride, tiling, looked
        )
        watch.add(finite, batch.index, combinations, has)
        counts = counts.mul_(has[..., None, None]).cpu()
        of_batch = torch.where(has, losses, 0.0).sum(1)
        parts.append((batch.index.cpu(), has.cpu(), counts, of_batch, batch.present.all(1).cpu()))
        if bool(looked.any()):
            truth = torch.where(batch.target == VOID, NO_CLASS, batch.target).to(torch.uint8).cpu()
            shown.append((batch.index.cpu()[looked], truth[looked], maps))
    watch.check()
    if not parts:
        raise ValueError("there is no image to evaluate on")
    index, scored, of_images, log_loss, whole = zip(*parts, strict=True)
    found = torch.cat(of_images, 1)
    complete = found * torch.cat(whole)[None, :, None, None]
    return PixelEvaluation(
        combinations=combinations,
        confusion=found.sum(1).to(combinations.device),
        complete=complete.sum(1).to(combinations.device),
        log_loss=torch.stack(log_loss).sum(0),
        index=torch.cat(index),
        scored=torch.cat(scored, 1),
        counts=found,
        maps=_joined(shown) if shown else None,
    )


def _joined(shown: Sequence[tuple[Tensor, Tensor, Tensor]]) -> LabelMaps:
    index, truth, predicted = zip(*shown, strict=True)
    return LabelMaps(torch.cat(index), torch.cat(truth), torch.cat(predicted, 1))


def _predicted(
    model: Model,
    batch: Batch,
    combinations: Tensor,
    stride: int,
    tiling: Tiling | None,
    looked: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Predict a batch under every combination.

    Args:
        model: As `evaluate_pixels` has it.
        batch: With index lists.
        combinations: bool ``(K, V)``.
        stride: As `evaluate_pixels` has it.
        tiling: The same.
        looked: bool ``(B,)``, on the CPU: images whose label maps are returned, p of them.

    Returns:
        Counts int64 ``(K, B, M, M)``; summed -log p of the true class, float64 ``(K, B)``; label
        maps uint8 ``(K, p, H, W)``, on the CPU; whether a class wins at every labelled pixel, bool
        ``(K, B)``.
    """
    assert batch.where is not None
    k, b = len(combinations), len(batch)
    device = combinations.device
    counts: Tensor | None = None
    losses = torch.zeros(k, b, dtype=torch.float64, device=device)
    finite = torch.ones(k, b, dtype=torch.bool, device=device)
    maps = torch.empty((k, int(looked.sum()), *batch.target.shape[1:]), dtype=torch.uint8)
    masks = combinations[:, None, :].expand(-1, b, -1)
    inputs = padded(batch.inputs, stride)
    height, width = batch.target.shape[1:]
    for window in windows(height, width, stride, tiling):
        feats = model.cached(cut(inputs, window), batch.where)
        target = batch.target[(slice(None), *window.place)]
        for some, logits in by_chunk(model, feats, masks):
            kept = logits[(..., *window.kept)]
            loss = F.cross_entropy(
                kept.flatten(0, 1),
                target.repeat(len(kept), 1, 1),
                ignore_index=VOID,
                reduction="none",
            )
            losses[some] += loss.double().sum((1, 2)).reshape(len(kept), b)
            guess = kept.argmax(2)
            finite[some] &= (a_class_wins(kept, 2) | (target == VOID)).flatten(2).all(2)
            found = _confusion(guess, target, kept.shape[2])
            if counts is None:
                counts = found.new_zeros((k, *found.shape[1:]))
            counts[some] += found
            if maps.shape[1]:
                at = (some, slice(None), *window.place)
                maps[at] = guess[:, looked.to(device)].to(torch.uint8).cpu()
    assert counts is not None
    return counts, losses, maps, finite


def _confusion(guess: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return counts int64 ``(K, B, M, M)`` of predictions ``(K, B, h, w)``, true class by row."""
    k, b = guess.shape[:2]
    image = torch.arange(k * b, device=guess.device).view(k, b, 1, 1) * classes
    cell = (image + target.clamp(min=0)) * classes + guess
    labelled = (target != VOID).expand_as(cell)
    found = cell[labelled].bincount(minlength=k * b * classes * classes)
    return found.view(k, b, classes, classes)
