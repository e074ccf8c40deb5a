"""Fit the confidence of a run on validation, store it, read it, and measure calibration."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmrnet.confidence import Confidence, calibration_error, reliability, temper
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.rows import Line
from dmrnet.engine.scores.scoring import combinations_of, score, spread
from dmrnet.evaluation import Evaluation
from dmrnet.modalities import Task, name_of
from dmrnet.storage import npz_bytes, write_bytes

FEWEST = 30
"""Fewest validation samples from which confidence is fitted."""

MOST_NUMBERS = 4_000_000
"""Most probabilities (samples by combinations by classes) that it is fitted on; of more validation
samples some are taken, evenly spread."""


def fit_confidence(folder: RunFolder, result: Evaluation) -> None:
    """Fit on the predictions of validation samples, and store it with the run.

    With fewer than `FEWEST` samples nothing is stored: predictions stay as the network gives them.
    """
    fitted = fitted_on(result)
    if fitted is None:
        folder.confidence.unlink(missing_ok=True)
    else:
        write_bytes(folder.confidence, npz_bytes(fitted.arrays()))


def fitted_on(result: Evaluation) -> Confidence | None:
    """Return what predictions of validation samples say; None of fewer than `FEWEST` samples."""
    predictions = result.predictions
    if predictions is None or len(predictions.target) < FEWEST:
        return None
    number, _, classes = predictions.probabilities.shape
    rows = spread(len(predictions.target), max(FEWEST, MOST_NUMBERS // (number * classes)))
    return Confidence.fit(
        predictions.probabilities[:, rows],
        predictions.target[rows],
        predictions.scored[:, rows],
        result.combinations.cpu(),
    )


def read_confidence(folder: RunFolder) -> Confidence | None:
    """Return what `fit_confidence` stored; None if the run has none.

    Raises:
        ValueError: If the file is damaged.
    """
    path = folder.confidence
    if not path.is_file():
        return None
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
    except (BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        raise ValueError(
            f"{path}: expected what validation says about confidence, got a damaged file ({error});"
            " delete it to predict uncalibrated, or train again into another folder (out, --out)"
        ) from error
    return Confidence.from_arrays(arrays, str(path))


def calibration_lines(
    confidence: Confidence | None, result: Evaluation, task: Task
) -> Iterator[Line]:
    """Yield the expected calibration error of each combination, before and after calibration.

    Args:
        confidence: Record fitted on validation; None yields only the error before.
        result: Evaluation; one without predictions, or of other targets than classes, has none.
        task: Task of the run.
    """
    predictions = result.predictions
    if predictions is None or task.target != "classes":
        return
    versions = {"ece_uncalibrated": predictions.probabilities}
    if confidence is not None:
        versions["ece"] = calibrated(confidence, predictions.probabilities, result.combinations)
    names = [name_of(mask, task.modalities) for mask in result.combinations.cpu()]
    for metric, probabilities in versions.items():
        counts = reliability(probabilities, predictions.target, predictions.scored)
        errors, numbers = calibration_error(*counts), counts[0].sum(1)
        for name, error, n in zip(names, errors.tolist(), numbers.tolist(), strict=True):
            yield name, metric, error, int(n)


def reliability_counts(confidence: Confidence | None, result: Evaluation) -> NDArray[np.float64]:
    """Return counts of predictions for reliability diagrams, ``(S, K, B, 3)``.

    S stages, before and after calibration (one if the run has none); in each bin the number of
    predictions, the sum of their confidences and the number of right ones (`reliability`).
    """
    predictions = result.predictions
    assert predictions is not None
    stages = [predictions.probabilities]
    if confidence is not None:
        stages.append(calibrated(confidence, predictions.probabilities, result.combinations))
    counts = [
        torch.stack(reliability(p, predictions.target, predictions.scored), -1) for p in stages
    ]
    return torch.stack(counts).numpy()


def calibrated(confidence: Confidence, probabilities: Tensor, combinations: Tensor) -> Tensor:
    """Return calibrated probabilities of every combination, ``(K, n, M)``."""
    rows = confidence.rows(combinations.cpu())
    return temper(probabilities, confidence.temperature[rows][:, None])


def confidence_of(run: FinishedRun) -> Confidence:
    """Return what validation says about a run's confidence; fitted anew if it was not stored.

    Raises:
        ValueError: If the run has a class for every pixel, or too few validation samples.
        FileNotFoundError: If it was not stored and the run's data are gone.
    """
    if (stored := read_confidence(run.folder)) is not None:
        return stored
    if run.task.dense or run.task.target != "classes":
        raise ValueError(f"{run.folder.path}: confidence is known for classes of samples only")
    val = run.samples("val")
    combinations = combinations_of(len(run.task.modalities))
    fitted = fitted_on(score(run.method, val, combinations, run.device, keep=True))
    if fitted is None:
        raise ValueError(
            f"{run.folder.path}: expected {FEWEST} validation samples or more to say how sure "
            f"predictions are, got {len(val)}; train with a larger "
            "val_share (--data.val-share)"
        )
    return fitted
