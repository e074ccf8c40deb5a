"""Scores of weighted samples: what a score is where a sample counts as often as it was drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.predictions import Predictions

Floats = NDArray[np.float64]

Weighted = Callable[[Floats], Floats]
"""Takes the weights of samples ``(draws, n)``, returns scores ``(draws, k)``, NaN if undefined."""

OF_CLASSES = ("accuracy", "acer", "balanced_accuracy", "worst_recall", "rank_mae")
OF_VALUES = ("mae", "r2", "map")

KNOWN = (*OF_CLASSES, *OF_VALUES, "miou", "dice")
"""Scores that can be computed so."""

SLOW = "map"
"""Score that sorts every label anew for each combination, so that it is drawn fewer times."""


def weighted_score(score: str, of_run: Predictions, rows: Sequence[int]) -> Weighted:
    """Return how a score of some combinations follows from weights.

    Args:
        score: One of `KNOWN`.
        of_run: Predictions of a run.
        rows: The k combinations, by their row.
    """
    scored = of_run.scored[rows].T.astype(np.float64)
    if score == "dice":
        assert of_run.scores is not None
        dice = of_run.scores[rows].T
        return lambda weight: _rate(weight, dice, scored)
    if of_run.confusion is not None:
        confusion = of_run.confusion[rows]
        return lambda weight: _mean_iou(weight, confusion)
    if score in OF_VALUES:
        assert of_run.values is not None
        assert of_run.truth is not None
        values, truth = of_run.values[rows], of_run.truth
        if score == "map":
            return lambda weight: _mean_precision(weight, scored, values, truth)
        if score == "r2":
            return lambda weight: _r2(weight, scored, values, truth)
        each = np.abs(values[..., 0] - truth[:, 0]).T
        return lambda weight: _rate(weight, each, scored)
    right = of_run.right[rows].T.astype(np.float64)
    if score == "rank_mae":
        assert of_run.predicted is not None
        right = np.abs(of_run.predicted[rows] - of_run.target).T.astype(np.float64)
    if score in ("accuracy", "rank_mae"):
        return lambda weight: _rate(weight, right, scored)
    groups = [of_run.target == label for label in np.unique(of_run.target)]
    return lambda weight: _of_classes(score, weight, right, scored, groups)


def _rate(weight: Floats, values: Floats, scored: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rate: Floats = (weight @ (values * scored)) / (weight @ scored)
    return rate


def _of_classes(
    score: str,
    weight: Floats,
    right: Floats,
    scored: Floats,
    groups: Sequence[NDArray[np.bool_]],
) -> Floats:
    """Return ACER, or of the classes that are drawn the mean recall or the lowest."""
    recalls = np.stack([_rate(weight[:, g], right[g], scored[g]) for g in groups])
    if score == "acer":
        acer: Floats = 1 - recalls.mean(0)
        return acer
    known = np.isfinite(recalls)
    if score == "worst_recall":
        lowest = np.where(known, recalls, np.inf).min(0)
        return np.where(np.isfinite(lowest), lowest, np.nan)
    with np.errstate(invalid="ignore"):
        balanced: Floats = np.where(known, recalls, 0).sum(0) / known.sum(0)
    return balanced


def _r2(weight: Floats, scored: Floats, values: Floats, truth: Floats) -> Floats:
    """Return R², averaged over the targets whose drawn numbers differ; NaN without any."""
    columns = []
    for row in range(len(values)):
        w = weight * scored[:, row]
        total = w.sum(1, keepdims=True)
        # Around the mean of all, so that squares of large numbers do not cancel.
        centred = truth - truth.mean(0)
        squares = w @ centred**2
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = squares - (w @ centred) ** 2 / total
            each = 1 - (w @ (values[row] - truth) ** 2) / spread
        known = spread > 1e-12 * squares
        with np.errstate(invalid="ignore"):
            columns.append(np.where(known, each, 0).sum(1) / known.sum(1))
    return np.stack(columns, 1)


def _mean_precision(weight: Floats, scored: Floats, values: Floats, truth: Floats) -> Floats:
    """Return the mean over labels of average precision; labels that nobody has are left out."""
    columns = []
    for row in range(len(values)):
        w = weight * scored[:, row]
        each = np.stack(
            [_precision(w, values[row, :, m], truth[:, m]) for m in range(truth.shape[1])]
        )
        known = np.isfinite(each)
        with np.errstate(invalid="ignore"):
            columns.append(np.where(known, each, 0).sum(0) / known.sum(0))
    return np.stack(columns, 1)


def _precision(weight: Floats, values: Floats, truth: Floats) -> Floats:
    """Return the average precision of a label, ``(draws,)``: the mean precision where it is had."""
    order = np.argsort(-values, kind="stable")
    has, sorted_values = truth[order] > 0, values[order]
    # Equal probabilities are one threshold: precision is that after the last of them.
    last = np.searchsorted(-sorted_values, -sorted_values, side="right") - 1
    every = np.cumsum(weight[:, order], 1)
    hit = np.cumsum(weight[:, order] * has, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(every[:, last] > 0, hit[:, last] / every[:, last], 0)
        mean: Floats = (weight[:, order] * has * precision).sum(1) / hit[:, -1]
    return mean


def _mean_iou(weight: Floats, confusion: NDArray[np.int64]) -> Floats:
    """Return the mean IoU ``(draws, k)`` of images with weights ``(draws, n)``."""
    k, images, classes = confusion.shape[:3]
    means = np.empty((len(weight), k))
    for row in range(k):
        flat = confusion[row].reshape(images, classes * classes).astype(np.float64)
        summed = (weight @ flat).reshape(-1, classes, classes)
        both = np.diagonal(summed, axis1=1, axis2=2)
        union = summed.sum(1) + summed.sum(2) - both
        # A class that no drawn image has is undefined, not perfect.
        known = union > 0
        each = np.divide(both, union, out=np.zeros_like(both), where=known)
        with np.errstate(invalid="ignore"):
            means[:, row] = each.sum(1) / known.sum(1)
    return means
