"""A handful of test samples for reports: small pictures of their inputs, and what was predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, interpolate

from dmrnet.data.dataset import Dataset
from dmrnet.engine.scores.pixel_results import as_bytes
from dmrnet.engine.scores.scoring import spread
from dmrnet.evaluation import Evaluation
from dmrnet.modalities import Modality, Task, name_of
from dmrnet.storage import npz_bytes

EACH = 2
"""Number of samples that are right with all modalities and wrong with the worst combination, that
are wrong with all, and that are right with both."""

SIDE = 64
"""Largest side, in pixels, of a stored image."""

STEPS, CURVES = 128, 6
"""Most steps and channels of a stored sequence."""

FEWEST = 20
"""Fewest samples of a combination that can be the worst."""


def pack_shown(dataset: Dataset, result: Evaluation, predicted: Tensor) -> bytes | None:
    """Return the content of ``shown.npz``; None where no modality can be drawn.

    Args:
        dataset: The samples.
        result: Evaluation with predictions.
        predicted: Predicted classes ``(K, n)``; labels or numbers ``(K, n, M)``.

    Returns:
        Arrays ``index`` ``(s,)``, ``target``, ``present`` bool ``(s, V)``, ``combination`` (all
        modalities, then the worst combination), ``predicted`` and ``scored`` of these, ``classes``,
        and for each modality that can be drawn ``input/NAME``, uint8 images ``(s, C, H, W)`` with
        one or three channels, or sequences ``(s, C, T)``, each scaled from its least to its largest
        value.
    """
    task, combinations, predictions = dataset.task, result.combinations.cpu(), result.predictions
    assert predictions is not None
    drawn = [modality for modality in task.inputs if modality.kind != "vector"]
    full = combinations.all(1).nonzero().flatten().tolist()
    if not drawn or not full or not len(predictions.index):
        return None
    errors = errors_of(task, predictions.target, predicted)
    worst = worst_of(errors, predictions.scored)
    pair = [full[0], worst] if worst not in (None, full[0]) else [full[0]]
    chosen = choose(errors[pair[0]], errors[pair[-1]], predictions.scored[pair].all(0))
    if not len(chosen):
        return None
    batch = dataset.take(predictions.index[chosen])
    pictures = {f"input/{m.name}": picture(m, batch.inputs[m.name]) for m in drawn}
    return npz_bytes(
        {
            "index": predictions.index[chosen].numpy(),
            "target": predictions.target[chosen].numpy(),
            "present": batch.present.numpy(),
            "combination": np.array([name_of(combinations[k], task.modalities) for k in pair]),
            "predicted": predicted[pair][:, chosen].numpy(),
            "scored": predictions.scored[pair][:, chosen].numpy(),
            "classes": np.array(task.classes),
            **pictures,
        }
    )


def errors_of(task: Task, target: Tensor, predicted: Tensor) -> Tensor:
    """Return how wrong each prediction is, float64 ``(K, n)``.

    0 or 1 for a class, the distance in ranks of ordered ones, the number of wrong labels, or the
    absolute error of numbers in standard deviations of each target, added up.
    """
    if task.target == "regression":
        scale = target.double().std(0).nan_to_num(1.0).clamp(min=1e-12)
        return ((predicted.double() - target.double()).abs() / scale).sum(-1)
    if predicted.ndim == 3:
        return (predicted.bool() != (target > 0)).sum(-1).double()
    apart = (predicted.long() - target.long()).abs().double()
    return apart if task.target == "ordinal" else apart.clamp(max=1)


def worst_of(errors: Tensor, scored: Tensor) -> int | None:
    """Return the row of the combination with the largest mean error on enough samples."""
    counts = scored.sum(1)
    means = torch.where(scored, errors, 0).sum(1) / counts
    enough = counts >= min(FEWEST, int(counts.max()))
    means = torch.where(enough & (counts > 0), means, -1)
    return int(means.argmax()) if bool((means >= 0).any()) else None


def choose(of_full: Tensor, of_worst: Tensor, allowed: Tensor) -> Tensor:
    """Choose samples: worse without modalities, wrong with all, right with both, `EACH` of each.

    Args:
        of_full: Errors ``(n,)`` with all modalities.
        of_worst: Those with the worst combination.
        allowed: Bool ``(n,)``, the samples to choose from.

    Returns:
        int64 ``(s,)``, each sample once; the same for the same errors.
    """
    chosen: list[int] = []
    for key, least in ((of_worst - of_full, 0.0), (of_full, 0.0), (-of_full - of_worst, None)):
        free = allowed.clone()
        free[chosen] = False
        rows = free.nonzero().flatten()
        if least is not None:
            rows = rows[key[rows] > least]
        if not len(rows):
            continue
        top = rows[key[rows] == key[rows].max()]
        if len(top) < EACH:  # Numbers: the largest, which are all different.
            top = rows[key[rows].argsort(descending=True, stable=True)[:EACH]]
        chosen += top[spread(len(top), EACH)].tolist()
    return torch.tensor(chosen, dtype=torch.int64)


def picture(modality: Modality, values: Tensor) -> NDArray[np.uint8]:
    """Return samples of a modality as small pictures or curves; see `pack_shown`."""
    values = values.float()
    if modality.kind == "sequence":
        channels = values.shape[1] - modality.ragged
        steps = min(STEPS, values.shape[2])
        curves = adaptive_avg_pool1d(values[:, :channels], steps)
        curves = curves[:, spread(channels, CURVES)]
        return as_bytes(curves[:, :, None]).squeeze(2).numpy()
    if modality.kind == "volume":  # The middle slice or frame.
        values = values[:, :, values.shape[2] // 2]
    values = values if values.shape[1] == 3 else values[:, :1]
    size: Sequence[int] = values.shape[2:]
    shrink = max(1.0, max(size) / SIDE)
    if shrink > 1:
        smaller = [max(1, round(side / shrink)) for side in size]
        values = interpolate(values, smaller, mode="bilinear", antialias=True, align_corners=False)
    return as_bytes(values).numpy()
