"""Evaluation of every combination on whole volumes: each window is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model, by_chunk, rows_to_encode
from dmrnet.evaluation.dense.pixels import (
    NO_CLASS,
    VOID,
    PixelEvaluation,
    confusion_of_images,
    counted,
    joined,
)
from dmrnet.evaluation.finite import FiniteLogits, has_finite_max
from dmrnet.evaluation.volumes.regions import Region
from dmrnet.evaluation.volumes.surface import hd95
from dmrnet.evaluation.volumes.windows import Sliding, padded_volumes, window_of
from dmrnet.modalities import Batch

NUMBERS_AT_ONCE = 1 << 29
"""Largest number of probabilities that are averaged at a time, 2 GB in float32; of more, some
combinations after the others."""

Extent = Callable[[int], tuple[Sequence[float], float]]
"""Function from the number of a case to the size of its voxels, and the distance between a region
and none."""


@dataclass(frozen=True)
class VolumeEvaluation(PixelEvaluation):
    """Counts of voxels and distances of each case and combination.

    Attributes:
        regions: The R regions whose distances there are.
        distances: HD95, float64 ``(K, n, R)``, NaN where not scored; None if not computed.
        slices: int64 ``(p,)``: the depth of each of the `maps`, which are slices of volumes.
    """

    regions: tuple[Region, ...] = ()
    distances: Tensor | None = None
    slices: Tensor | None = None


@torch.inference_mode()
def evaluate_volumes(
    model: Model,
    batches: Iterable[Batch],
    combinations: Tensor,
    sliding: Sliding,
    *,
    regions: Sequence[Region] = (),
    extent: Extent | None = None,
    show: Sequence[int] = (),
) -> VolumeEvaluation:
    """Score every combination on every volume that has its modalities.

    Args:
        model: Model in evaluation mode, on the device of the batches.
        batches: Batches with row numbers of the present modalities (`Batch.where`).
        combinations: Bool tensor of shape ``(K, V)``, on that device.
        sliding: Windows in which volumes are predicted.
        regions: Regions whose HD95 is computed.
        extent: Sizes for the distances; None leaves them out.
        show: Numbers of the cases of which a slice is returned: that with the most voxels of other
            classes than the first.

    Raises:
        ValueError: If a batch has no row numbers or other modalities, or there is no volume.
        NoClassError: If the largest logit of a voxel is NaN or infinite.
    """
    watch = FiniteLogits(model.modalities)
    parts, apart, shown = [], [], []
    for batch in batches:
        rows_to_encode(batch, combinations.shape[1])
        has = (batch.present | ~combinations[:, None, :]).all(-1)
        masks = combinations[:, None, :].expand(-1, len(batch), -1)
        counts, losses, distances = [], [], []
        depth = _busiest_slices(batch.target)
        slices = []
        for chunk, p, finite in predict_windows(model, batch, masks, sliding):
            watch.add(finite, batch.index, combinations[chunk], has[chunk])
            guess = p.argmax(2)
            counts.append(confusion_of_images(guess, batch.target, p.shape[2]))
            true = batch.target.clamp(min=0)[None, :, None].expand(len(p), -1, 1, -1, -1, -1)
            log_p = p.gather(2, true).squeeze(2).clamp_(min=torch.finfo(p.dtype).tiny).log_()
            labelled = batch.target != VOID
            losses.append(-torch.where(labelled, log_p, 0.0).double().sum((2, 3, 4)))
            if extent is not None:
                distances.append(_distances(guess, batch, has[chunk], regions, extent))
            slices.append(_take_slices(guess, depth))
        every = torch.cat(counts).mul_(has[..., None, None]).cpu()
        of_batch = torch.where(has, torch.cat(losses), 0.0).sum(1)
        whole = batch.present.all(1).cpu()
        parts.append((batch.index.cpu(), has.cpu(), every, of_batch, whole))
        if extent is not None:
            apart.append(torch.cat(distances))
        for row, number in enumerate(batch.index.tolist()):
            if number in show:
                truth = _take_slices(batch.target[None], depth)[0, [row]]
                maps = (torch.tensor([number]), truth, torch.cat(slices)[:, [row]])
                shown.append((depth[row], maps))
    watch.check()
    if not parts:
        raise ValueError("expected at least one volume to evaluate on, got none")
    return VolumeEvaluation(
        **counted(parts, combinations),
        maps=joined([maps for _, maps in shown]),
        regions=tuple(regions),
        distances=torch.cat(apart, 1) if apart else None,
        slices=torch.tensor([at for at, _ in shown], dtype=torch.int64) if shown else None,
    )


def predict_windows(
    model: Model,
    batch: Batch,
    masks: Tensor,
    sliding: Sliding,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield slices of masks with the probabilities of every voxel, ``(k, B, M, D, H, W)``.

    Also whether the largest logit is finite at every voxel, bool ``(k, B)``.

    Each window is encoded once for all masks that fit into memory together. Probabilities are
    averaged over windows with Gaussian weights.

    Args:
        model: Model in evaluation mode.
        batch: Volumes of one size, with row numbers.
        masks: Bool tensor of shape ``(K, B, V)``.
        sliding: Windows.
    """
    assert batch.where is not None
    size = next(iter(batch.inputs.values())).shape[2:]
    ends = sliding.padding(size)
    inputs = padded_volumes(batch.inputs, ends)
    whole = next(iter(inputs.values())).shape[2:]
    device = masks.device
    weights = sliding.weights(device)
    # The prediction lies where the volume does among the zeros.
    kept = window_of(ends[-2::-2], size)
    step, start = len(masks), 0
    while start < len(masks):
        some = masks[start : start + step]
        total: Tensor | None = None
        share = torch.zeros(whole, device=device)
        finite = torch.ones(some.shape[:2], dtype=torch.bool, device=device)
        for corner in sliding.starts(whole):
            at = window_of(corner, sliding.sides)
            own = {name: x[at].contiguous() for name, x in inputs.items()}
            feats = model.cached(own, batch.where)
            for chunk, logits in by_chunk(model, feats, some):
                if total is None:
                    fit = NUMBERS_AT_ONCE // (logits[0].shape[:2].numel() * whole.numel())
                    if len(some) > max(1, fit):
                        step = max(1, fit)
                        break
                    wide = torch.promote_types(logits.dtype, torch.float32)
                    shape = (len(some), *logits.shape[1:3], *whole)
                    total = torch.zeros(shape, dtype=wide, device=device)
                finite[chunk] &= has_finite_max(logits, 2).flatten(2).all(2)
                total[chunk][at] += logits.softmax(2, dtype=total.dtype) * weights
            if total is None:
                break
            share[at] += weights
        if total is None:
            continue  # again, with fewer masks at a time
        p = total.div_(share)[kept]
        yield slice(start, start + len(some)), p, finite
        start += len(some)


def _distances(
    guess: Tensor, batch: Batch, has: Tensor, regions: Sequence[Region], extent: Extent
) -> Tensor:
    """Return HD95 of predictions ``(K, B, D, H, W)``, float64 ``(K, B, R)``."""
    distances = torch.full((*guess.shape[:2], len(regions)), torch.nan, dtype=torch.float64)
    for row, number in enumerate(batch.index.tolist()):
        spacing, empty = extent(number)
        labelled = batch.target[row] != VOID
        for r, (_, numbers) in enumerate(regions):
            classes = torch.tensor(numbers, device=guess.device)
            truth = torch.isin(batch.target[row], classes).cpu().numpy()
            for k in has[:, row].nonzero().flatten().tolist():
                predicted = (torch.isin(guess[k, row], classes) & labelled).cpu().numpy()
                distances[k, row, r] = hd95(truth, predicted, spacing, empty)
    return distances


def _busiest_slices(target: Tensor) -> list[int]:
    """Return the depth with the most voxels that are not of the first class; else the middle."""
    counts = (target > 0).sum((2, 3))
    middle = target.shape[1] // 2
    return [int(one.argmax()) if bool(one.any()) else middle for one in counts]


def _take_slices(labels: Tensor, depth: Sequence[int]) -> Tensor:
    """Return one slice of each volume ``(K, B, D, H, W)``, uint8 ``(K, B, H, W)`` on the CPU."""
    rows = torch.stack([labels[:, row, at] for row, at in enumerate(depth)], 1)
    return torch.where(rows == VOID, NO_CLASS, rows).to(torch.uint8).cpu()
