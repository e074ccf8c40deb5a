"""Predictions of a run on its test samples, counted by combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.predictions import MEND, PREDICTIONS, load_arrays
from dmrnet.report.records.rows import RowError

CONFUSION = "confusion.npz"
"""Counts of an evaluation whose predictions are too many to be kept."""

Counts = NDArray[np.int64]
Kind = Literal["classes", "labels", "pixels"]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Predictions of one run, counted.

    Attributes:
        kind: What was counted: samples or pixels of one class each, or labels that samples have.
        counts: Counts by combination, true by predicted: int64 ``(M, M)``; for labels
            ``(M, 2, 2)``, with the label at 1.
    """

    kind: Kind
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class NumberOutcomes:
    """Predicted numbers of one run.

    Attributes:
        combinations: Names of the K combinations.
        predicted: ``(K, n, M)`` in the unit of the targets.
        target: ``(n, M)``.
        scored: bool ``(K, n)``.
    """

    combinations: tuple[str, ...]
    predicted: NDArray[np.float64]
    target: NDArray[np.float64]
    scored: NDArray[np.bool_]


def read_outcomes(folder: Path, order: Sequence[str]) -> Outcomes | NumberOutcomes | None:
    """Read what a run folder keeps of its predictions, combinations named in the given order.

    Returns:
        The counts, or numbers where such are predicted; None if the run keeps nothing.

    Raises:
        RowError: If a file is damaged.
    """
    for name in (PREDICTIONS, CONFUSION):
        path = folder / name
        if path.is_file():
            arrays = load_arrays(path, "predictions as `dmrnet evaluate` writes them", MEND)
            try:
                return _outcomes(arrays, order)
            except (KeyError, IndexError, ValueError) as error:
                raise RowError(
                    f"{path}: expected predictions of each combination and sample, or counts; got "
                    f"arrays that do not fit ({error}); {MEND}"
                ) from error
    return None


def _outcomes(
    arrays: Mapping[str, NDArray[Any]], order: Sequence[str]
) -> Outcomes | NumberOutcomes:
    names = tuple(canonical(str(name), order) for name in arrays["combination"])
    if "confusion" in arrays:
        counts = arrays["confusion"].astype(np.int64)
        if "scored" in arrays:  # Counts of each image, zeros for one that was not scored.
            return Outcomes("pixels", dict(zip(names, counts.sum(1), strict=True)))
        kind: Kind = "labels" if counts.shape[1:][-2:] == (2, 2) and counts.ndim == 4 else "classes"
        return Outcomes(kind, dict(zip(names, counts, strict=True)))
    target, scored = arrays["target"], arrays["scored"].astype(np.bool_)
    predicted = arrays.get("predicted")
    if predicted is None:  # An earlier version, in which the most probable class was predicted.
        predicted = arrays["probabilities"].argmax(-1)
    if predicted.ndim == 3 and predicted.dtype.kind == "f":
        return NumberOutcomes(names, predicted.astype(float), target.astype(float), scored)
    if predicted.ndim == 3:
        return Outcomes(
            "labels",
            {
                name: label_counts(target[some], values[some])
                for name, values, some in zip(names, predicted, scored, strict=True)
            },
        )
    many = 1 + int(max(target.max(initial=0), predicted.max(initial=0)))
    if "probabilities" in arrays:
        many = max(many, arrays["probabilities"].shape[-1])
    counted = scored & (predicted >= 0)
    return Outcomes(
        "classes",
        {
            name: class_counts(target[some], values[some], many)
            for name, values, some in zip(names, predicted, counted, strict=True)
        },
    )


def class_counts(target: NDArray[Any], predicted: NDArray[Any], classes: int) -> Counts:
    """Count true by predicted classes, int64 ``(M, M)``.

    >>> class_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = target.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def label_counts(target: NDArray[Any], predicted: NDArray[Any]) -> Counts:
    """Count for each label who has it by who is predicted to have it, int64 ``(M, 2, 2)``.

    >>> label_counts(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [0, 1]])).tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    truth, guess = target.astype(bool), predicted.astype(bool)
    return np.stack(
        [
            np.stack([((truth == has) & (guess == said)).sum(0) for said in (False, True)], -1)
            for has in (False, True)
        ],
        1,
    ).astype(np.int64)
